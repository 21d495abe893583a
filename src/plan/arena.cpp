// SPDX-License-Identifier: Apache-2.0
#include "plan/arena.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "base/buffer.h"

namespace tfengine::plan {

uint64_t arena_bytes(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

namespace {

// The climb's work, in pairs of tensors that are compared: some tens of milliseconds.
constexpr size_t kMostComparisons = size_t{20} << 20;
constexpr int kMostMoves = 4000;

bool overlap(const Lifetime& a, const Lifetime& b) {
  return a.first_step <= b.last_step && b.first_step <= a.last_step;
}

struct Item {
  size_t index;  // into the lifetimes
  int64_t bytes;
  int64_t rest_bytes;  // behind shrink_step
  int first_step;
  int last_step;
  int shrink_step;
  uint64_t busiest = 0;              // most bytes alive in one of its steps
  std::vector<size_t> neighbours{};  // items that live at the same time

  bool shrinks() const { return shrink_step < last_step; }
  // The most that it needs while the other one lives.
  int64_t bytes_beside(const Item& other) const { return other.first_step > shrink_step ? rest_bytes : bytes; }
};

struct Packing {
  std::vector<int64_t> offsets;  // by item
  int64_t bytes = INT64_MAX;
};

class Packer {
 public:
  explicit Packer(const std::vector<Lifetime>& lifetimes) {
    for (size_t i = 0; i < lifetimes.size(); ++i) {
      const Lifetime& life = lifetimes[i];
      if (life.bytes == 0) continue;
      const bool shrinks = life.shrink_step >= 0;
      items_.push_back({i, static_cast<int64_t>(arena_bytes(life.bytes)),
                        static_cast<int64_t>(arena_bytes(shrinks ? life.rest_bytes : life.bytes)), life.first_step,
                        life.last_step, shrinks ? life.shrink_step : life.last_step});
    }
    for (size_t a = 0; a < items_.size(); ++a) {
      for (size_t b = 0; b < items_.size(); ++b) {
        if (a != b && overlap(lifetimes[items_[a].index], lifetimes[items_[b].index]))
          items_[a].neighbours.push_back(b);
      }
      comparisons_ += items_[a].neighbours.size();
    }
  }

  void note_load(const std::vector<uint64_t>& live) {
    for (Item& item : items_) {
      item.busiest = *std::max_element(live.begin() + item.first_step, live.begin() + item.last_step + 1);
    }
  }

  Packing best(int64_t bound) {
    std::vector<size_t> order;
    for (const auto& sorted : orders()) {
      try_order(sorted, order);
      if (best_.bytes <= bound) return best_;
    }
    climb(order, bound);
    return best_;
  }

  const std::vector<Item>& items() const { return items_; }

 private:
  std::vector<std::vector<size_t>> orders() const {
    std::vector<size_t> start(items_.size());
    std::iota(start.begin(), start.end(), size_t{0});
    const auto by = [&](const auto& key) {
      std::vector<size_t> order = start;
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(items_[a]) > key(items_[b]); });
      return order;
    };
    const auto steps = [](const Item& item) { return int64_t{1} + item.last_step - item.first_step; };
    return {by([](const Item& item) { return std::pair(item.bytes, int64_t{0}); }),
            by([&](const Item& item) { return std::pair(item.bytes, steps(item)); }),
            by([](const Item& item) { return std::pair(static_cast<int64_t>(item.busiest), item.bytes); }),
            by([&](const Item& item) { return std::pair(item.bytes * steps(item), item.bytes); }),
            by([&](const Item& item) { return std::pair(steps(item), item.bytes); }),
            by([](const Item& item) { return std::pair(int64_t{-1} * item.first_step, item.bytes); })};
  }

  void try_order(const std::vector<size_t>& order, std::vector<size_t>& best_order) {
    Packing packing = place(order, best_.bytes);
    if (packing.bytes >= best_.bytes) return;
    best_ = std::move(packing);
    best_order = order;
  }

  // Gives up where the block reaches `most`.
  Packing place(const std::vector<size_t>& order, int64_t most) {
    Packing packing;
    packing.offsets.assign(items_.size(), -1);
    int64_t bytes = 0;
    for (const size_t index : order) {
      const Item& item = items_[index];
      occupied_.clear();
      for (const size_t other : item.neighbours) {
        const int64_t from = packing.offsets[other];
        if (from >= 0)
          occupied_.push_back({from, from + items_[other].bytes_beside(item), item.bytes_beside(items_[other])});
      }
      packing.offsets[index] = item.shrinks() ? lowest_offset() : best_offset(item.bytes);
      bytes = std::max(bytes, packing.offsets[index] + item.bytes);
      if (bytes >= most) return packing;
    }
    packing.bytes = bytes;
    return packing;
  }

  // The smallest gap between the placed neighbours in which `bytes` fit; else behind the last of them.
  int64_t best_offset(int64_t bytes) {
    std::sort(occupied_.begin(), occupied_.end());
    int64_t best = -1;
    int64_t best_gap = INT64_MAX;
    int64_t end = 0;
    for (const auto& [from, to, needed] : occupied_) {
      const int64_t gap = from - end;
      if (gap >= bytes && gap < best_gap) {
        best = end;
        best_gap = gap;
      }
      end = std::max(end, to);
    }
    return best >= 0 ? best : end;
  }

  // The lowest place for what needs more beside some of its neighbours than beside others.
  int64_t lowest_offset() {
    std::sort(occupied_.begin(), occupied_.end());
    int64_t offset = 0;
    for (size_t i = 0; i < occupied_.size();) {
      const Occupied& other = occupied_[i++];
      if (other.to <= offset || offset + other.needed <= other.from) continue;
      offset = other.to;
      i = 0;  // the higher place may be in the way of what begins earlier
    }
    return offset;
  }

  // Moves one of the tensors that reach the block's end, or a neighbour of it, further to the front. Equal results are
  // taken, too: they lead out of plateaus.
  void climb(std::vector<size_t> order, int64_t bound) {
    std::mt19937 random(static_cast<uint32_t>(items_.size()));  // the same climb every time
    Packing now = best_;
    const size_t moves = std::min<size_t>(kMostMoves, kMostComparisons / std::max<size_t>(1, comparisons_));
    for (size_t move = 0; move < moves && best_.bytes > bound; ++move) {
      const size_t from = position_to_move(order, now, random);
      if (from == 0) continue;
      std::vector<size_t> changed = order;
      const size_t to = random() % from;
      std::rotate(changed.begin() + static_cast<int64_t>(to), changed.begin() + static_cast<int64_t>(from),
                  changed.begin() + static_cast<int64_t>(from) + 1);
      Packing packing = place(changed, now.bytes + 1);
      if (packing.bytes > now.bytes) continue;
      now = std::move(packing);
      order = std::move(changed);
      if (now.bytes < best_.bytes) best_ = now;
    }
  }

  size_t position_to_move(const std::vector<size_t>& order, const Packing& packing, std::mt19937& random) const {
    std::vector<size_t> highest;
    for (size_t i = 0; i < items_.size(); ++i) {
      if (packing.offsets[i] + items_[i].bytes == packing.bytes) highest.push_back(i);
    }
    size_t item = highest[random() % highest.size()];
    const std::vector<size_t>& beside = items_[item].neighbours;
    if (random() % 2 == 0 && !beside.empty()) item = beside[random() % beside.size()];
    return static_cast<size_t>(std::find(order.begin(), order.end(), item) - order.begin());
  }

  // Where a neighbour lies, and what the item needs beside it.
  struct Occupied {
    int64_t from, to, needed;
    auto operator<=>(const Occupied&) const = default;
  };

  std::vector<Item> items_;
  std::vector<Occupied> occupied_;
  Packing best_;
  size_t comparisons_ = 0;  // of one packing
};

}  // namespace

ArenaLayout pack_arena(const std::vector<Lifetime>& lifetimes) {
  ArenaLayout layout;
  layout.offsets.assign(lifetimes.size(), 0);
  int last = 0;
  for (const Lifetime& item : lifetimes) last = std::max(last, item.last_step);
  std::vector<uint64_t> live(static_cast<size_t>(last) + 1, 0);
  for (const Lifetime& item : lifetimes) {
    for (int step = item.first_step; step <= item.last_step; ++step) {
      live[static_cast<size_t>(step)] += arena_bytes(item.bytes_at(step));
    }
  }
  const auto peak = std::max_element(live.begin(), live.end());
  layout.lower_bound_bytes = *peak;
  layout.peak_step = static_cast<int>(peak - live.begin());
  Packer packer(lifetimes);
  if (packer.items().empty()) return layout;
  packer.note_load(live);
  const Packing best = packer.best(static_cast<int64_t>(layout.lower_bound_bytes));
  for (size_t i = 0; i < packer.items().size(); ++i) layout.offsets[packer.items()[i].index] = best.offsets[i];
  layout.bytes = static_cast<uint64_t>(best.bytes);
  return layout;
}

}  // namespace tfengine::plan
