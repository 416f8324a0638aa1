#pragma once

#include <exception>
#include <stdexcept>
#include <string>

/// The sentence of the refusal that a call ends with.
template <class Call>
std::string thrown_by(Call call) {
    try {
        call();
    } catch (const std::invalid_argument& error) {
        return error.what();
    } catch (const std::exception& error) {
        return std::string("something else was thrown: ") + error.what();
    }
    return "nothing was thrown";
}
