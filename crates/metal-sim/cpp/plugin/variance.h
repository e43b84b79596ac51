// Which values of a kernel differ between the lanes of a simd-group.
#pragma once
#include "syntax.h"

namespace msim {

// Marks symbols and expressions as varying. Throws where a barrier may not be reached by
// all lanes, or a lane has a subscript of its own into its own array.
void find_variance(Syntax& syntax);

}  // namespace msim
