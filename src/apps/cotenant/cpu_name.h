#pragma once

/// What this machine computes with, as people and profiles call it.

#include <string>

namespace cotenant {

/// "AMD EPYC 9B14", "Raspberry Pi 5 Model B Rev 1.0"; else the architecture. Never empty.
std::string CpuName();

}  // namespace cotenant
