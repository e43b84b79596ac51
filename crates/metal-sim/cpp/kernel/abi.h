// What a compiled kernel and the plug-in that runs it agree on.
//
// Plain data and two callbacks; included by both sides, so it uses nothing but
// fixed-size integers. A change here must change kAbiVersion: compiled kernels
// are kept on disk.
#pragma once
#include <cstddef>
#include <cstdint>

namespace msim {

constexpr std::uint32_t kAbiVersion = 9;
constexpr std::uint32_t kSimdWidth = 32;
constexpr std::uint32_t kQuadWidth = 4;
// Largest value a simd-group operation exchanges: a vector of four 64-bit words.
constexpr std::uint32_t kExchangeBytes = 32;

// Why a thread stops running for a while.
enum Wait : std::uint32_t {
  kReady = 0,
  kSimd = 1,
  kSimdBarrier = 2,
  kBarrier = 3,
  kDone = 4,
  kLockStep = 5,  // before a store to a buffer that the kernel also reads
  kMatrix = 6,    // a simd-group matrix operation, which takes all lanes
};

// All stop the launch but kUninitialised and kZeroDivisor.
enum FaultKind : std::uint32_t {
  kOutOfBounds = 1,
  kMisaligned = 2,
  kUninitialised = 3,
  kNotANumber = 4,
  kRace = 5,
  kDivergentBarrier = 6,
  kPartialMatrix = 7,  // `index` is the line, `length` how many lanes take part
  kZeroDivisor = 8,    // `index` is the line
};

struct Fault {
  std::uint32_t kind;
  bool write;
  bool threadgroup;           // memory of the threadgroup, not a device buffer
  std::uint32_t buffer;       // argument number of the device buffer
  const char* array;          // name of the threadgroup array
  std::int64_t index;         // element index that the kernel computed
  std::uint64_t element_size;
  std::uint64_t length;       // elements that exist
  std::uint32_t other_thread; // kRace, kDivergentBarrier: linear index of the other thread
};

// One argument buffer. In guard mode `init` has one byte per data byte, 1 where
// something has been written, and `written` is set by any store.
struct Buffer {
  unsigned char* data;
  std::uint64_t bytes;
  unsigned char* init;
  unsigned char* written;
};

// One access to a piece of threadgroup memory. `epoch` counts from 1; 0 is never.
struct Access {
  std::uint32_t epoch, step, thread;
};

// Who touched a piece of threadgroup memory last; guard mode only. Of several
// readers the last two are kept: one of them is not the thread that writes next.
struct Touch {
  Access write, read, earlier_read;
};
constexpr std::uint32_t kTouchBytes = 2;

struct Group {
  std::uint32_t position[3], grid[3], block[3];
  // The running thread; the scheduler keeps these up to date.
  std::uint32_t thread[3];
  std::uint32_t linear;
  std::uint32_t threads;
  const Buffer* buffers;
  const unsigned char* constants;
  unsigned char* memory;  // threadgroup memory
  Touch* touches;         // one per kTouchBytes of threadgroup memory; guard mode only
  // simd-group operations
  unsigned char* publish;      // [threads][kExchangeBytes]: what each thread brings along
  const unsigned char* shared; // the same, as it was when the operation took place
  std::uint32_t active;        // lanes that took part in the operation
  // race detection: threadgroup barriers passed, and steps within each simd-group
  std::uint32_t epoch;
  std::uint32_t* step;
  void* runner;       // whoever runs the group
  // Where each thread is, by linear index: all x, then all y and z, `position_stride` apart.
  const std::uint32_t* positions;
  std::uint32_t position_stride;
  bool poison_lanes;  // inactive lanes read as NaN instead of the reader's own value
  void (*wait)(Group*, std::uint32_t wait, std::uint32_t site);
  void (*fault)(Group*, const Fault&);
};

// A kernel's entry. Loop kernels run every thread of the group; fiber kernels
// run the one thread that the scheduler switched to; lane kernels the simd-group that
// begins at `linear`.
using Entry = void (*)(Group*);

}  // namespace msim
