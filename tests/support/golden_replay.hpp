#pragma once

#include <msrnn/decide.hpp>
#include <string>

#include "support/catch.hpp"
#include "support/golden.hpp"

/// replay(golden, policy, compared) for every file without a prompt, with the policy that it names; says how much was
/// compared.
template <class Replay>
void replay_golden_files(const std::string& through, Replay replay) {
    Compared compared;
    for (const Golden& golden : golden_files()) {
        if (golden.prompt != 0) continue;
        CAPTURE(golden.name, golden.policy);
        if (golden.policy == "tova")
            replay(golden, msrnn::Tova{}, compared);
        else if (golden.policy == "h2o")
            replay(golden, msrnn::H2O{.recent = golden.recent}, compared);
        else if (golden.policy == "sink-window")
            replay(golden, msrnn::SinkWindow{.sinks = golden.sinks}, compared);
        else
            FAIL_CHECK("no method has this name");
        ++compared.files;
    }
    CHECK(compared.files > 0);
    WARN("golden traces through a " << through << ": " << compared.files << " files, " << compared.calls << " calls, "
                                    << compared.sets << " kept sets compared");
}
