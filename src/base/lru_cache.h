// SPDX-License-Identifier: Apache-2.0
// A map of bounded size that drops the least recently used entry. Not thread-safe.
#pragma once

#include <list>
#include <utility>

namespace tfengine {

// Linear search: capacities are a handful of input shapes.
template <typename Key, typename Entry>
class LruCache {
 public:
  explicit LruCache(size_t capacity) : capacity_(capacity) {}

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
    while (entries_.size() > capacity_ && entries_.size() > 1) entries_.pop_back();
    return entries_.front().second;
  }
  // The least recently used entry leaves; there has to be one.
  Entry pop_oldest() {
    Entry entry = std::move(entries_.back().second);
    entries_.pop_back();
    return entry;
  }
  // Whether the next insert() drops an entry.
  bool full() const { return !entries_.empty() && entries_.size() >= capacity_; }
  const std::list<std::pair<Key, Entry>>& entries() const { return entries_; }

 private:
  size_t capacity_;
  std::list<std::pair<Key, Entry>> entries_;  // most recently used first
};

}  // namespace tfengine
