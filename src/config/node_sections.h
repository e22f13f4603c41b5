#pragma once

/// The tables that a server file and a scenario share: [policies] and [[tenants]].

#include "catalog/tenant.h"
#include "config/toml_reader.h"

namespace cotenant {

/// Each tenant has queues and label sets of its own. Raise it when a real node needs more.
inline constexpr std::size_t kTenantsMax = 1000;

/// Letters, digits, '-', '_' and '.', as names of tenants and models have them.
bool IsPlainName(std::string_view name);
/// A table's 'name', or a mistake and nothing. `what` is "a tenant".
std::string ReadPlainName(TomlReader& reader, const TomlNode& table, std::string_view what);

void ReadNodeSections(TomlReader& reader, const TomlNode& root, NodeSettings& settings);

}  // namespace cotenant
