#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

/// Whether two numbers agree within `absolute` + `relative` of the larger one. NaN agrees with nothing.
inline bool close(double measured, double expected, double absolute, double relative) {
    const double larger = std::max(std::fabs(measured), std::fabs(expected));
    return std::fabs(measured - expected) <= absolute + relative * larger;
}

/// The same for two ranges of numbers: equally long, not empty, and every pair close.
template <class Numbers, class Others>
bool all_close(const Numbers& measured, const Others& expected, double absolute, double relative) {
    if (measured.size() != expected.size() || measured.size() == 0) return false;
    auto other = expected.begin();
    for (const auto number : measured)
        if (!close(static_cast<double>(number), static_cast<double>(*other++), absolute, relative)) return false;
    return true;
}
