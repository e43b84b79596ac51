// Stand-in for a header that the wheels leave out; see io.h beside it.
#ifndef ARTCHECK_STAND_IN_SERIALIZER_H_
#define ARTCHECK_STAND_IN_SERIALIZER_H_
#include <tvm/support/io.h>
namespace tvm {
namespace support {
template <typename T>
struct Serializer;
}  // namespace support
}  // namespace tvm
#endif
