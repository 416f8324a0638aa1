// What the state may store its rows as.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <string>
#include <vector>

namespace compare {

/// By the names of the command line.
inline const std::vector<std::string> known_scalars = {"f32", "bf16", "f16", "int8"};

/// Calls use(x), x of the type with this name.
template <class Use>
auto with_scalar(const std::string& name, Use use) {
    return name == "bf16"   ? use(Eigen::bfloat16())
           : name == "f16"  ? use(Eigen::half())
           : name == "int8" ? use(std::int8_t())
                            : use(float());
}

}  // namespace compare
