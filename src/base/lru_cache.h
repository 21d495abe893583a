// SPDX-License-Identifier: Apache-2.0
// A map of a size that is meant to be bounded: who inserts pops the least recently used entries. Not thread-safe.
#pragma once

#include <algorithm>
#include <list>
#include <utility>

namespace tfengine {

// Linear search: capacities are a handful of input shapes.
template <typename Key, typename Entry>
class LruCache {
 public:
  explicit LruCache(size_t capacity) : capacity_(capacity) {}

  using Item = std::pair<Key, Entry>;

  // Null when absent; a hit becomes the most recently used.
  Entry* find(const Key& key) {
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      if (at->first == key) {
        entries_.splice(entries_.begin(), entries_, at);
        return &entries_.front().second;
      }
    }
    return nullptr;
  }
  Entry& insert(Key key, Entry entry) {
    entries_.emplace_front(std::move(key), std::move(entry));
    return entries_.front().second;
  }
  // The least recently used entry leaves; there has to be one.
  Item pop_oldest() {
    Item item = std::move(entries_.back());
    entries_.pop_back();
    return item;
  }
  // What was popped comes back as the least recently used.
  void restore_oldest(Item item) { entries_.push_back(std::move(item)); }
  void erase(const Key& key) {
    entries_.remove_if([&](const Item& item) { return item.first == key; });
  }
  // Whether it holds more than it is meant to, and not only its latest.
  bool overfull() const { return entries_.size() > std::max<size_t>(1, capacity_); }
  const std::list<Item>& entries() const { return entries_; }

 private:
  size_t capacity_;
  std::list<Item> entries_;  // most recently used first
};

}  // namespace tfengine
