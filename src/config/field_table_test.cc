#include "config/field_table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "config/options.h"
#include "model_config.pb.h"

namespace cotenant {
namespace {

// What the reader can reach: it stops below a field that is ignored or refused.
void Collect(const google::protobuf::Descriptor& type, std::set<std::string>& fields) {
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    const std::string name = field.full_name().substr(field.full_name().find('.') + 1);
    if (!fields.insert(name).second) continue;
    const FieldRow* row = FindField(name);
    ASSERT_NE(row, nullptr) << name << " is missing in the table";
    if (row->use != FieldUse::kUsed) continue;
    const auto* nested =
        field.is_map() ? field.message_type()->map_value()->message_type() : field.message_type();
    if (nested != nullptr) Collect(*nested, fields);
  }
}

TEST(FieldTable, CoversExactlyTheFieldsThatCanBeReached) {
  std::set<std::string> fields;
  Collect(*inference::ModelConfig::descriptor(), fields);
  for (const FieldRow& row : FieldTable()) {
    EXPECT_TRUE(fields.contains(std::string(row.name))) << row.name << " is no field that is read";
    if (row.use != FieldUse::kUsed) {
      EXPECT_FALSE(row.note.empty()) << row.name << " needs a reason";
    }
  }
  EXPECT_EQ(fields.size(), FieldTable().size());
}

// The manual holds the tables between marks; COTENANT_WRITE_DOCS=1 writes them anew.
TEST(FieldTable, TheManualHoldsTheSameTables) {
  const std::string path = std::string(COTENANT_SOURCE_DIR) + "/docs/config.md";
  std::stringstream content;
  content << std::ifstream(path).rdbuf();
  std::string text = content.str();
  const std::pair<std::string, std::string> tables[] = {{"fields", FieldTableMarkdown()},
                                                        {"parameters", ParameterTableMarkdown()},
                                                        {"flags", FlagTableMarkdown()}};
  for (const auto& [name, table] : tables) {
    const std::string begin = "<!-- table: " + name + " -->\n";
    const std::string end = "<!-- end -->";
    const std::size_t from = text.find(begin);
    ASSERT_NE(from, std::string::npos) << name;
    const std::size_t start = from + begin.size();
    const std::size_t size = text.find(end, start) - start;
    if (std::getenv("COTENANT_WRITE_DOCS") != nullptr)
      text.replace(start, size, table);
    else
      EXPECT_EQ(text.substr(start, size), table) << "run with COTENANT_WRITE_DOCS=1";
  }
  if (std::getenv("COTENANT_WRITE_DOCS") != nullptr) std::ofstream(path) << text;
}

TEST(FieldTable, AParameterWithASessionPrefixIsKnown) {
  ASSERT_NE(FindParameter("session.use_ort_model_bytes_directly"), nullptr);
  EXPECT_EQ(FindParameter("sessions"), nullptr);
}

}  // namespace
}  // namespace cotenant
