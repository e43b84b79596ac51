// Guard mode: pointers that know their buffer, and arrays that know who touched
// them. Reading returns a value; writing is `put`, which the translator writes
// in place of an assignment.
#pragma once
#include "matrix.h"

namespace msim {

// Thrown after a fault has been recorded; caught at the kernel's entry.
struct Stop {};

[[noreturn]] inline void stop(Group* group, const Fault& fault) {
  group->fault(group, fault);
  throw Stop{};
}

// Rounded down: an index before the buffer stays negative.
inline std::int64_t element_of(std::int64_t offset, std::int64_t size) {
  return offset >= 0 ? offset / size : -((size - 1 - offset) / size);
}

template <class T>
inline bool not_a_number(const T&) {
  return false;
}
inline bool not_a_number(float value) { return value != value; }
inline bool not_a_number(half value) { return value != value; }
template <class T, int N, bool P>
inline bool not_a_number(const metal::vec<T, N, P>& value) {
  bool found = false;
  for (int i = 0; i < N; ++i) found = found || not_a_number(value[i]);
  return found;
}

// `device T*`: a buffer and a byte offset into it.
template <class T>
struct DevicePointer {
  Group* group;
  std::uint32_t buffer;
  std::int64_t offset;

  DevicePointer(Group* g, std::uint32_t b, std::int64_t o) : group(g), buffer(b), offset(o) {}
  template <class U>
  explicit DevicePointer(const DevicePointer<U>& other)
      : DevicePointer(other.group, other.buffer, other.offset) {}

  DevicePointer operator+(std::int64_t n) const {
    return {group, buffer, offset + n * static_cast<std::int64_t>(sizeof(T))};
  }
  DevicePointer operator-(std::int64_t n) const { return *this + -n; }
  T operator[](std::int64_t i) const { return (*this + i).get(); }
  T operator*() const { return get(); }

  T get() const {
    check(false);
    const Buffer& b = group->buffers[buffer];
    if (b.init != nullptr) {
      for (std::size_t i = 0; i < sizeof(T); ++i) {
        if (b.init[offset + i] != 0) continue;
        // Harmless when the value is not used; remembered for the fault that may follow.
        group->fault(group, fault(kUninitialised, false));
        break;
      }
    }
    T value;
    __builtin_memcpy(static_cast<void*>(&value), b.data + offset, sizeof value);
    return value;
  }
  void put(const T& value) const {
    check(true);
    if (not_a_number(value)) stop(group, fault(kNotANumber, true));
    const Buffer& b = group->buffers[buffer];
    __builtin_memcpy(b.data + offset, &value, sizeof value);
    if (b.init != nullptr) __builtin_memset(b.init + offset, 1, sizeof value);
    if (b.written != nullptr) *b.written = 1;
  }
  void put(std::int64_t i, const T& value) const { (*this + i).put(value); }

 private:
  Fault fault(FaultKind kind, bool write) const {
    Fault f{};
    f.kind = kind;
    f.write = write;
    f.buffer = buffer;
    f.index = element_of(offset, sizeof(T));
    f.element_size = sizeof(T);
    f.length = group->buffers[buffer].bytes / sizeof(T);
    return f;
  }
  void check(bool write) const {
    const Buffer& b = group->buffers[buffer];
    if (offset < 0 || static_cast<std::uint64_t>(offset) + sizeof(T) > b.bytes) {
      stop(group, fault(kOutOfBounds, write));
    }
    if (offset % static_cast<std::int64_t>(alignof(T)) != 0) {
      stop(group, fault(kMisaligned, write));
    }
  }
};

// `threadgroup T*`: an array of the threadgroup and a byte offset into it.
template <class T>
struct SharedPointer {
  Group* group;
  const char* name;
  std::uint32_t base;    // of the array, in threadgroup memory
  std::uint32_t length;  // of the array, in bytes
  std::int64_t offset;

  SharedPointer(Group* g, const char* n, std::uint32_t b, std::uint32_t l, std::int64_t o)
      : group(g), name(n), base(b), length(l), offset(o) {}
  template <class U>
  explicit SharedPointer(const SharedPointer<U>& p)
      : SharedPointer(p.group, p.name, p.base, p.length, p.offset) {}

  SharedPointer operator+(std::int64_t n) const {
    return {group, name, base, length, offset + n * static_cast<std::int64_t>(sizeof(T))};
  }
  SharedPointer operator-(std::int64_t n) const { return *this + -n; }
  T operator[](std::int64_t i) const { return (*this + i).get(); }
  T operator*() const { return get(); }

  T get() const {
    check(false);
    if (tracked()) {
      for (std::uint32_t p = first_piece(); p <= last_piece(); ++p) note_read(group->touches[p]);
    }
    T value;
    __builtin_memcpy(static_cast<void*>(&value), group->memory + base + offset, sizeof value);
    return value;
  }
  void put(const T& value) const {
    check(true);
    unsigned char* at = group->memory + base + offset;
    // Writing what is there already harms nobody.
    bool same = __builtin_memcmp(at, &value, sizeof value) == 0;
    if (tracked()) {
      for (std::uint32_t p = first_piece(); p <= last_piece(); ++p) {
        note_write(group->touches[p], same);
      }
    }
    __builtin_memcpy(at, &value, sizeof value);
  }
  void put(std::int64_t i, const T& value) const { (*this + i).put(value); }

 private:
  // Single bytes share a piece with their neighbours and are left out.
  static constexpr bool tracked() { return sizeof(T) >= kTouchBytes; }
  std::uint32_t first_piece() const {
    return static_cast<std::uint32_t>(base + offset) / kTouchBytes;
  }
  std::uint32_t last_piece() const {
    return static_cast<std::uint32_t>(base + offset + sizeof(T) - 1) / kTouchBytes;
  }
  Fault fault(FaultKind kind, bool write) const {
    Fault f{};
    f.kind = kind;
    f.write = write;
    f.threadgroup = true;
    f.array = name;
    f.index = element_of(offset, sizeof(T));
    f.element_size = sizeof(T);
    f.length = length / sizeof(T);
    return f;
  }
  void check(bool write) const {
    if (offset < 0 || static_cast<std::uint64_t>(offset) + sizeof(T) > length) {
      stop(group, fault(kOutOfBounds, write));
    }
    if ((base + offset) % static_cast<std::int64_t>(alignof(T)) != 0) {
      stop(group, fault(kMisaligned, write));
    }
  }
  // Two threads meet unordered when no threadgroup barrier lies between their
  // accesses and, within one simd-group, no simd-group operation either.
  bool unordered(const Access& other) const {
    if (other.epoch != group->epoch || other.thread == group->linear) return false;
    std::uint32_t mine = group->linear / kSimdWidth;
    return other.thread / kSimdWidth != mine || other.step == group->step[mine];
  }
  void against(const Access& other, bool write) const {
    if (!unordered(other)) return;
    Fault f = fault(kRace, write);
    f.other_thread = other.thread;
    stop(group, f);
  }
  Access now() const { return {group->epoch, group->step[group->linear / kSimdWidth], group->linear}; }
  void note_read(Touch& t) const {
    against(t.write, false);
    if (t.read.thread != group->linear) t.earlier_read = t.read;
    t.read = now();
  }
  void note_write(Touch& t, bool same) const {
    if (!same) {
      against(t.write, true);
      against(t.read, true);
      against(t.earlier_read, true);
    }
    t.write = now();
  }
};

}  // namespace msim
