#include "config/rendering.h"

#include <google/protobuf/descriptor.h>

#include <array>
#include <charconv>
#include <cmath>
#include <map>

namespace cotenant {
namespace {

namespace pb = google::protobuf;

// The reader took UTF-8 only, so that the bytes of longer characters are copied as they are.
void AppendString(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[static_cast<std::size_t>(c) >> 4];
      out += kHex[static_cast<std::size_t>(c) & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

template <typename Number>
void AppendNumber(Number value, std::string& out) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

template <>
void AppendNumber(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
  }
}

class Printer {
 public:
  void Print(const pb::Message& message) {
    const pb::Descriptor& type = *message.GetDescriptor();
    const pb::Reflection& reflection = *message.GetReflection();
    out_ += '{';
    bool first = true;
    for (int i = 0; i < type.field_count(); ++i) {
      const pb::FieldDescriptor* field = type.field(i);
      const bool may_be_absent = field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE ||
                                 field->real_containing_oneof() != nullptr;
      if (!field->is_repeated() && may_be_absent && !reflection.HasField(message, field)) continue;
      if (!first) out_ += ',';
      first = false;
      AppendString(field->name(), out_);
      out_ += ':';
      if (field->is_map()) {
        PrintMap(message, field);
      } else if (field->is_repeated()) {
        PrintList(message, field);
      } else {
        PrintValue(message, field, -1);
      }
    }
    out_ += '}';
  }
  std::string Take() { return std::move(out_); }

 private:
  void PrintList(const pb::Message& message, const pb::FieldDescriptor* field) {
    out_ += '[';
    for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
      if (i > 0) out_ += ',';
      PrintValue(message, field, i);
    }
    out_ += ']';
  }

  void PrintMap(const pb::Message& message, const pb::FieldDescriptor* field) {
    const pb::FieldDescriptor* key = field->message_type()->map_key();
    std::map<std::string, const pb::Message*> sorted;
    for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
      const pb::Message& entry = message.GetReflection()->GetRepeatedMessage(message, field, i);
      sorted[key->cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING
                 ? entry.GetReflection()->GetString(entry, key)
                 : std::to_string(entry.GetReflection()->GetUInt64(entry, key))] = &entry;
    }
    out_ += '{';
    bool first = true;
    for (const auto& [name, entry] : sorted) {
      if (!first) out_ += ',';
      first = false;
      AppendString(name, out_);
      out_ += ':';
      PrintValue(*entry, field->message_type()->map_value(), -1);
    }
    out_ += '}';
  }

  // `index` is -1 for a field that is not a list.
  void PrintValue(const pb::Message& message, const pb::FieldDescriptor* field, int index) {
    const pb::Reflection& r = *message.GetReflection();
    const bool one = index < 0;
    using Field = pb::FieldDescriptor;
    switch (field->cpp_type()) {
      case Field::CPPTYPE_INT32:
        return AppendNumber(
            one ? r.GetInt32(message, field) : r.GetRepeatedInt32(message, field, index), out_);
      case Field::CPPTYPE_INT64:
        return AppendNumber(
            one ? r.GetInt64(message, field) : r.GetRepeatedInt64(message, field, index), out_);
      case Field::CPPTYPE_UINT32:
        return AppendNumber(
            one ? r.GetUInt32(message, field) : r.GetRepeatedUInt32(message, field, index), out_);
      case Field::CPPTYPE_UINT64:
        return AppendNumber(
            one ? r.GetUInt64(message, field) : r.GetRepeatedUInt64(message, field, index), out_);
      case Field::CPPTYPE_DOUBLE:
        return AppendNumber(
            one ? r.GetDouble(message, field) : r.GetRepeatedDouble(message, field, index), out_);
      case Field::CPPTYPE_FLOAT:
        return AppendNumber(static_cast<double>(one ? r.GetFloat(message, field)
                                                    : r.GetRepeatedFloat(message, field, index)),
                            out_);
      case Field::CPPTYPE_BOOL:
        out_ += (one ? r.GetBool(message, field) : r.GetRepeatedBool(message, field, index))
                    ? "true"
                    : "false";
        return;
      case Field::CPPTYPE_STRING:
        return AppendString(
            one ? r.GetString(message, field) : r.GetRepeatedString(message, field, index), out_);
      case Field::CPPTYPE_ENUM: return PrintEnum(message, field, index);
      case Field::CPPTYPE_MESSAGE:
        return Print(one ? r.GetMessage(message, field)
                         : r.GetRepeatedMessage(message, field, index));
    }
  }

  void PrintEnum(const pb::Message& message, const pb::FieldDescriptor* field, int index) {
    const pb::Reflection& reflection = *message.GetReflection();
    const int value = index < 0 ? reflection.GetEnumValue(message, field)
                                : reflection.GetRepeatedEnumValue(message, field, index);
    const auto* name = field->enum_type()->FindValueByNumber(value);
    if (name != nullptr) return AppendString(name->name(), out_);
    AppendNumber(value, out_);
  }

  std::string out_;
};

template <typename Tensor>
void FillTensor(const TensorSpec& spec, Tensor& tensor) {
  tensor.set_name(spec.name);
  tensor.set_data_type(static_cast<inference::DataType>(spec.datatype));
  tensor.clear_dims();
  for (std::int64_t dim : spec.dims.dims()) tensor.add_dims(dim);
}

// What Triton fills in when it loads a model, so that clients find it here too.
void FillDefaults(inference::ModelConfig& proto) {
  if (proto.version_policy().policy_choice_case() ==
      inference::ModelVersionPolicy::POLICY_CHOICE_NOT_SET) {
    proto.mutable_version_policy()->mutable_latest()->set_num_versions(1);
  }
  auto& optimization = *proto.mutable_optimization();
  if (!optimization.has_input_pinned_memory()) {
    optimization.mutable_input_pinned_memory()->set_enable(true);
  }
  if (!optimization.has_output_pinned_memory()) {
    optimization.mutable_output_pinned_memory()->set_enable(true);
  }
  if (proto.instance_group().empty()) proto.add_instance_group()->set_name(proto.name());
  for (int i = 0; i < proto.instance_group_size(); ++i) {
    auto& group = *proto.mutable_instance_group(i);
    if (group.name().empty()) group.set_name(proto.name() + "_" + std::to_string(i));
    if (group.count() < 1) group.set_count(1);
    group.set_kind(inference::ModelInstanceGroup::KIND_CPU);
    group.clear_gpus();
  }
  if (proto.has_dynamic_batching() && proto.max_batch_size() > 0 &&
      proto.dynamic_batching().preferred_batch_size().empty()) {
    proto.mutable_dynamic_batching()->add_preferred_batch_size(proto.max_batch_size());
  }
}

}  // namespace

RenderedConfig RenderConfig(const ModelConfig& config) {
  inference::ModelConfig proto;
  // Written by ourselves, so that it parses; a source that has nothing written gives the fields
  // below.
  proto.ParseFromString(config.written);
  proto.set_name(config.name);
  proto.set_platform(config.platform);
  proto.set_backend(config.backend);
  proto.set_max_batch_size(config.max_batch_size);
  proto.set_default_model_filename(config.default_model_filename);
  for (std::size_t i = 0; i < config.inputs.size(); ++i) {
    const bool written = static_cast<int>(i) < proto.input_size();
    auto& input = written ? *proto.mutable_input(static_cast<int>(i)) : *proto.add_input();
    FillTensor(config.inputs[i], input);
    input.set_optional(config.inputs[i].optional);
  }
  for (std::size_t i = 0; i < config.outputs.size(); ++i) {
    const bool written = static_cast<int>(i) < proto.output_size();
    auto& output = written ? *proto.mutable_output(static_cast<int>(i)) : *proto.add_output();
    FillTensor(config.outputs[i], output);
    output.set_label_filename(config.outputs[i].label_filename);
  }
  if (config.batching) proto.mutable_dynamic_batching();
  FillDefaults(proto);
  RenderedConfig rendered;
  rendered.json = ConfigToJson(proto);
  rendered.protobuf = proto.SerializeAsString();
  return rendered;
}

std::string ConfigToJson(const pb::Message& message) {
  Printer printer;
  printer.Print(message);
  return printer.Take();
}

}  // namespace cotenant
