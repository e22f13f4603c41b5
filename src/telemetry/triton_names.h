#pragma once

/// The page's `nv_*` families, so that dashboards made for Triton go on working. Only those whose
/// values we have: what has no meaning here (GPUs, caches) is left out instead of shown as zero.

#include "telemetry/own_names.h"
#include "telemetry/page_writer.h"
#include "telemetry/process_facts.h"

namespace cotenant {

void WriteTritonNames(const PageSources& sources, const MachineMemory& memory,
                      double cpu_utilization, PageWriter& page);

}  // namespace cotenant
