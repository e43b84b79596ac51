// Stand-in: the wheels ship headers that include this file, but not the file.
// Declares just what those headers name; no stream is ever made from it.
#ifndef ARTCHECK_STAND_IN_IO_H_
#define ARTCHECK_STAND_IN_IO_H_
#include <cstddef>
#include <string>
namespace tvm {
namespace support {
class Stream {
 public:
  virtual ~Stream() {}
  virtual size_t Read(void* data, size_t size) = 0;
  virtual size_t Write(const void* data, size_t size) = 0;
  template <typename T>
  bool Read(T* value);
  template <typename T>
  void Write(const T& value);
  template <typename T>
  bool ReadArray(T* values, size_t count);
  template <typename T>
  void WriteArray(const T* values, size_t count);
};
}  // namespace support
}  // namespace tvm
#endif
