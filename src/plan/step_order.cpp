// SPDX-License-Identifier: Apache-2.0
#include "plan/step_order.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <unordered_map>

namespace tfengine::plan {

namespace {

// Sets of steps are bits; with more steps than this their closure would need megabytes, and the search seconds.
constexpr size_t kMostSteps = 4096;

// A peak is looked for to one part in so many.
constexpr uint64_t kFinest = 64;

class Bits {
 public:
  Bits() = default;
  explicit Bits(size_t count) : words_((count + 63) / 64, 0) {}
  bool has(int i) const { return (words_[static_cast<size_t>(i) / 64] >> (i % 64) & 1) != 0; }
  void set(int i) { words_[static_cast<size_t>(i) / 64] |= uint64_t{1} << (i % 64); }
  void add(const Bits& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  bool meets(const Bits& other) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      if ((words_[i] & other.words_[i]) != 0) return true;
    }
    return false;
  }
  int count() const {
    int bits = 0;
    for (const uint64_t word : words_) bits += __builtin_popcountll(word);
    return bits;
  }
  bool operator==(const Bits&) const = default;
  size_t hash() const {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(words_.data()), words_.size() * 8});
  }

 private:
  std::vector<uint64_t> words_;
};

struct BitsHash {
  size_t operator()(const Bits& bits) const { return bits.hash(); }
};

// What running a step does to what is alive.
struct Moment {
  uint64_t while_running = 0;
  uint64_t behind = 0;
};

// Who needs each block, and what is alive given the steps that are finished.
class Needs {
 public:
  explicit Needs(const OrderProblem& problem) : problem_(problem), users_(problem.block_bytes.size()) {
    for (size_t step = 0; step < problem.steps.size(); ++step) {
      for (const int block : problem.steps[step].blocks)
        users_[static_cast<size_t>(block)].push_back(static_cast<int>(step));
    }
  }
  const std::vector<int>& users(int block) const { return users_[static_cast<size_t>(block)]; }
  uint64_t bytes(int block) const { return problem_.block_bytes[static_cast<size_t>(block)]; }

  Moment run(int step, const Bits& done, uint64_t alive) const {
    const OrderStep& what = problem_.steps[static_cast<size_t>(step)];
    Moment moment{alive, alive};
    for (const int block : what.blocks) {
      const auto [begun, over] = state(block, step, done);
      if (!begun) moment.while_running += bytes(block);
      if (!begun && !over) moment.behind += bytes(block);
      if (begun && over) moment.behind -= bytes(block);
    }
    for (const OrderStep::Overwrite& pair : what.overwrites) {
      if (state(pair.from, step, done).over) {
        moment.while_running -= bytes(pair.to);
        break;
      }
    }
    return moment;
  }

 private:
  struct State {
    bool begun;  // before the step
    bool over;   // behind it
  };
  State state(int block, int step, const Bits& done) const {
    State result{false, true};
    for (const int user : users(block)) {
      if (user == step) continue;
      if (done.has(user))
        result.begun = true;
      else
        result.over = false;
    }
    return result;
  }

  const OrderProblem& problem_;
  std::vector<std::vector<int>> users_;
};

// What comes before and behind each step, however they are ordered.
struct Closure {
  std::vector<Bits> before, behind;
  std::vector<std::vector<int>> next;

  explicit Closure(const OrderProblem& problem) : next(problem.steps.size()) {
    const size_t count = problem.steps.size();
    before.assign(count, Bits(count));
    behind.assign(count, Bits(count));
    for (size_t step = 0; step < count; ++step) {
      for (const int earlier : problem.steps[step].after) {
        next[static_cast<size_t>(earlier)].push_back(static_cast<int>(step));
        before[step].set(earlier);
        before[step].add(before[static_cast<size_t>(earlier)]);
      }
    }
    for (size_t step = count; step-- > 0;) {
      for (const int later : next[step]) {
        behind[step].set(later);
        behind[step].add(behind[static_cast<size_t>(later)]);
      }
    }
  }
  // Whether every other step is certainly before or behind it.
  bool everything_passes(size_t step) const {
    return before[step].count() + behind[step].count() + 1 == static_cast<int>(before.size());
  }
};

// Bytes that are alive at each step in every order.
std::vector<uint64_t> least_alive(const OrderProblem& problem, const Needs& needs, const Closure& closure) {
  const size_t count = problem.steps.size();
  std::vector<uint64_t> least(count, 0);
  for (size_t block = 0; block < problem.block_bytes.size(); ++block) {
    if (problem.block_bytes[block] == 0) continue;
    Bits users(count);
    for (const int user : needs.users(static_cast<int>(block))) users.set(user);
    for (size_t step = 0; step < count; ++step) {
      const bool alive =
          users.has(static_cast<int>(step)) || (users.meets(closure.before[step]) && users.meets(closure.behind[step]));
      if (alive) least[step] += problem.block_bytes[block];
    }
  }
  for (size_t step = 0; step < count; ++step) {
    for (const OrderStep::Overwrite& pair : problem.steps[step].overwrites) {
      const auto& users = needs.users(pair.from);
      const bool outlives =
          std::any_of(users.begin(), users.end(), [&](int user) { return closure.behind[step].has(user); });
      if (outlives) continue;
      least[step] -= needs.bytes(pair.to);
      break;
    }
  }
  return least;
}

// A set of finished steps, the best way to it, and what may run next.
struct State {
  Bits done;
  std::vector<int> ready;
  uint64_t alive = 0;
  uint64_t peak = 0;
  int way = -1;  // index into Search::ways_
};

// The search through one part: steps [begin, end) of the steps' own order.
class Search {
 public:
  Search(const OrderProblem& problem, const Needs& needs, const Closure& closure, size_t most_states)
      : problem_(problem), needs_(needs), closure_(closure), most_states_(most_states) {}

  struct Found {
    std::vector<int> order;  // of the part; empty: none was found
    uint64_t peak = 0;
  };

  // An order that stays below `limit`, with a peak that needs not be below `goal`.
  Found run(size_t begin, size_t end, uint64_t alive, uint64_t goal, uint64_t limit) {
    begin_ = begin;
    end_ = end;
    goal_ = goal;
    limit_ = limit;
    cut_short_ = false;
    ways_.clear();
    std::vector<State> level = {first(alive)};
    for (size_t done = begin; done < end && !level.empty(); ++done) level = advance(level);
    if (level.empty()) return {};
    const State& best =
        *std::min_element(level.begin(), level.end(), [](const State& a, const State& b) { return a.peak < b.peak; });
    Found found{{}, best.peak};
    for (int way = best.way; way >= 0; way = ways_[static_cast<size_t>(way)].from) {
      found.order.push_back(ways_[static_cast<size_t>(way)].step);
    }
    std::reverse(found.order.begin(), found.order.end());
    return found;
  }
  bool cut_short() const { return cut_short_; }

 private:
  struct Way {
    int from;
    int step;
  };

  State first(uint64_t alive) const {
    State state;
    state.done = Bits(problem_.steps.size());
    state.alive = alive;
    for (size_t step = 0; step < begin_; ++step) state.done.set(static_cast<int>(step));
    for (size_t step = begin_; step < end_; ++step) {
      if (ready(static_cast<int>(step), state.done)) state.ready.push_back(static_cast<int>(step));
    }
    return state;
  }

  bool ready(int step, const Bits& done) const {
    const auto& after = problem_.steps[static_cast<size_t>(step)].after;
    return std::all_of(after.begin(), after.end(), [&](int earlier) { return done.has(earlier); });
  }

  std::vector<State> advance(const std::vector<State>& level) {
    std::vector<State> next;
    std::unordered_map<Bits, size_t, BitsHash> known;
    for (const State& state : level) {
      const int safe = free_step(state);
      for (const int step : state.ready) {
        if (safe >= 0 && step != safe) continue;
        const Moment moment = needs_.run(step, state.done, state.alive);
        if (moment.while_running < limit_) add(state, step, moment, next, known);
      }
    }
    if (next.size() > most_states_) {
      cut_short_ = true;
      std::stable_sort(next.begin(), next.end(), [&](const State& a, const State& b) {
        return std::pair(std::max(a.peak, goal_), a.alive) < std::pair(std::max(b.peak, goal_), b.alive);
      });
      next.resize(most_states_);
    }
    return next;
  }

  // A step that can run now and never makes anything worse by that: it leaves no more alive than before.
  int free_step(const State& state) const {
    for (const int step : state.ready) {
      const Moment moment = needs_.run(step, state.done, state.alive);
      if (moment.behind <= state.alive && moment.while_running <= std::max(goal_, state.peak)) return step;
    }
    return -1;
  }

  void add(const State& state, int step, const Moment& moment, std::vector<State>& next,
           std::unordered_map<Bits, size_t, BitsHash>& known) {
    Bits done = state.done;
    done.set(step);
    const uint64_t peak = std::max(state.peak, moment.while_running);
    const auto [found, fresh] = known.emplace(done, next.size());
    if (!fresh && next[found->second].peak <= peak) return;
    if (fresh) next.emplace_back();
    State& target = next[found->second];
    ways_.push_back({state.way, step});
    target.way = static_cast<int>(ways_.size()) - 1;
    target.peak = peak;
    if (!fresh) return;
    target.alive = moment.behind;
    target.done = std::move(done);
    for (const int other : state.ready) {
      if (other != step) target.ready.push_back(other);
    }
    for (const int later : closure_.next[static_cast<size_t>(step)]) {
      const bool listed = std::find(target.ready.begin(), target.ready.end(), later) != target.ready.end();
      if (!listed && later < static_cast<int>(end_) && ready(later, target.done)) target.ready.push_back(later);
    }
    std::sort(target.ready.begin(), target.ready.end());
  }

  const OrderProblem& problem_;
  const Needs& needs_;
  const Closure& closure_;
  size_t most_states_;
  size_t begin_ = 0, end_ = 0;
  uint64_t goal_ = 0, limit_ = 0;
  std::vector<Way> ways_;
  bool cut_short_ = false;
};

struct Part {
  size_t begin = 0, end = 0;
  uint64_t alive = 0;  // before it
  uint64_t peak = 0;   // of the steps' own order
  uint64_t least = 0;  // that every order needs somewhere in it
};

std::vector<Part> parts_of(const OrderProblem& problem, const Needs& needs, const Closure& closure,
                           const std::vector<uint64_t>& least) {
  std::vector<Part> parts(1);
  Bits done(problem.steps.size());
  uint64_t alive = 0;
  for (size_t step = 0; step < problem.steps.size(); ++step) {
    const Moment moment = needs.run(static_cast<int>(step), done, alive);
    done.set(static_cast<int>(step));
    alive = moment.behind;
    Part& part = parts.back();
    part.end = step + 1;
    part.peak = std::max(part.peak, moment.while_running);
    part.least = std::max(part.least, least[step]);
    if (closure.everything_passes(step) && step + 1 < problem.steps.size()) {
      parts.push_back({step + 1, step + 1, alive, 0, 0});
    }
  }
  return parts;
}

// What is known of a part: an order of it, its peak, and what every order needs.
struct Settled {
  std::vector<int> order;  // empty: the steps' own
  uint64_t peak = 0;
  uint64_t bound = 0;
};

// Whether an order stays within a given peak is easier to tell than which is best: all steps within it are equally good. Bisects,
// where the search for the best had to leave sets out.
void bisect(Search& search, const Part& part, Settled& settled) {
  uint64_t low = settled.bound;  // not known to be enough
  while (settled.peak - low > settled.peak / kFinest) {
    const uint64_t middle = low + (settled.peak - low) / 2;
    Search::Found found = search.run(part.begin, part.end, part.alive, middle, middle + 1);
    if (!found.order.empty()) {
      settled.order = std::move(found.order);
      settled.peak = found.peak;
    } else {
      low = middle;
      if (!search.cut_short() && settled.bound <= middle) settled.bound = middle + 1;
    }
  }
}

// `goal`: nobody gains by a peak below it.
Settled settle(Search& search, const Part& part, uint64_t goal) {
  Search::Found found = search.run(part.begin, part.end, part.alive, goal, part.peak);
  Settled settled{{}, part.peak, goal};
  if (!found.order.empty()) {
    settled.order = std::move(found.order);
    settled.peak = found.peak;
  }
  if (search.cut_short()) {
    bisect(search, part, settled);
  } else {
    settled.bound = settled.peak;
  }
  return settled;
}

}  // namespace

uint64_t peak_of_order(const OrderProblem& problem, const std::vector<int>& order) {
  const Needs needs(problem);
  Bits done(problem.steps.size());
  uint64_t alive = 0, peak = 0;
  for (const int step : order) {
    const Moment moment = needs.run(step, done, alive);
    done.set(step);
    alive = moment.behind;
    peak = std::max(peak, moment.while_running);
  }
  return peak;
}

StepOrder find_step_order(const OrderProblem& problem, size_t most_states) {
  StepOrder result;
  result.order.resize(problem.steps.size());
  std::iota(result.order.begin(), result.order.end(), 0);
  result.own_peak_bytes = result.peak_bytes = peak_of_order(problem, result.order);
  if (problem.steps.empty() || problem.steps.size() > kMostSteps) return result;
  const Needs needs(problem);
  const Closure closure(problem);
  const std::vector<uint64_t> least = least_alive(problem, needs, closure);
  result.bound_bytes = *std::max_element(least.begin(), least.end());
  std::vector<Part> parts = parts_of(problem, needs, closure, least);
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.peak > b.peak; });
  uint64_t goal = result.bound_bytes;
  for (const Part& part : parts) {
    if (part.peak <= goal) break;
    Search search(problem, needs, closure, most_states);
    const Settled settled = settle(search, part, goal);
    std::copy(settled.order.begin(), settled.order.end(), result.order.begin() + static_cast<int64_t>(part.begin));
    result.bound_bytes = std::max(result.bound_bytes, settled.bound);
    // The worst of what is settled: further parts need not be better.
    goal = std::max(goal, settled.peak);
  }
  result.peak_bytes = peak_of_order(problem, result.order);
  result.exact = result.peak_bytes == result.bound_bytes;
  return result;
}

}  // namespace tfengine::plan
