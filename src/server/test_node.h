#pragma once

/// A live node over emulated models, for tests of the server and of the protocols: no files, no
/// network library, runs of a known length, and a gate that holds runs until the test says so.

#include <condition_variable>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "execution/profiled/profiled_backend.h"
#include "server/node.h"

namespace cotenant {

/// Models from memory. A test may change them while the node runs. Any thread.
class MemorySource final : public ModelSource {
 public:
  /// Adds or replaces; the profile is profile.h's text.
  void Put(ModelConfig config, std::string profile, std::vector<std::int64_t> versions = {1}) {
    std::lock_guard lock(mutex_);
    Entry& entry = entries_[config.name];
    entry.config = std::move(config);
    entry.profile = std::make_shared<const std::string>(std::move(profile));
    entry.versions = std::move(versions);
    ++entry.changes;
  }
  /// Gives a model that was put variants: by name, an accuracy and a profile's text.
  void PutVariants(const std::string& name, VariantUse use, std::vector<VariantSource> variants) {
    std::lock_guard lock(mutex_);
    Entry& entry = entries_.at(name);
    entry.use = use;
    entry.variants = std::move(variants);
    ++entry.changes;
  }
  void Remove(const std::string& name) {
    std::lock_guard lock(mutex_);
    entries_.erase(name);
  }

  Result<std::vector<std::string>> List() override {
    std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) names.push_back(name);
    return names;
  }
  Result<ModelDescription> Read(std::string_view name, const LoadOverride&) override {
    std::lock_guard lock(mutex_);
    auto entry = entries_.find(name);
    if (entry == entries_.end()) return NotFound("failed to poll from model repository");
    ModelDescription description;
    description.config = entry->second.config;
    description.use = entry->second.use;
    for (std::int64_t version : entry->second.versions) {
      description.versions.push_back({version, "", entry->second.profile, entry->second.variants});
    }
    return description;
  }
  std::uint64_t Fingerprint(std::string_view name) override {
    std::lock_guard lock(mutex_);
    auto entry = entries_.find(name);
    return entry == entries_.end() ? 0 : entry->second.changes;
  }
  /// Another text is another file.
  NetworkFiles FilesOf(const VersionFile& file) override {
    std::lock_guard lock(mutex_);
    NetworkFiles files{Bytes(), 0};
    for (const auto& [name, entry] : entries_) {
      if (entry.profile == file.content) files.stamp = 1;
      for (const VariantSource& variant : entry.variants) {
        if (variant.content == file.content) files.stamp = 1;
      }
    }
    return files;
  }
  Result<ModelConfig> Complete(ModelConfig config, const ModelSignature&) override {
    return config;
  }
  RenderedConfig Render(const ModelConfig& config) override {
    return {R"({"name":")" + config.name + R"("})", ""};
  }

 private:
  struct Entry {
    ModelConfig config;
    std::shared_ptr<const std::string> profile;
    std::vector<std::int64_t> versions;
    VariantUse use;
    std::vector<VariantSource> variants;
    std::uint64_t changes = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;
};

/// One FP32 input "x" and output "y" of `width` elements a row; batches up to `rows_max` (0: does
/// not batch).
inline ModelConfig EchoConfig(const std::string& name, std::int32_t rows_max = 0,
                              std::int64_t width = 4) {
  ModelConfig config;
  config.name = name;
  config.max_batch_size = rows_max;
  config.max_batch_size_given = true;
  config.inputs.push_back({"x", DataType::kFp32, Shape{width}, false, {}, ""});
  config.outputs.push_back({"y", DataType::kFp32, Shape{width}, false, {}, ""});
  return config;
}

/// A call that tells when it is complete. Written by the test's thread, on the test's lane.
class TestCall final : public InferCall {
 public:
  TestCall(std::string model_name, std::vector<float> values, std::int64_t rows = 0)
      : model_name_(std::move(model_name)), values_(std::move(values)) {
    Prepare(rows);
  }

  void Complete() override {
    std::lock_guard lock(mutex_);
    ++completions_;
    changed_.notify_all();
  }
  void AwaitComplete() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return completions_ > 0; });
  }
  int completions() const {
    std::lock_guard lock(mutex_);
    return completions_;
  }
  std::vector<float> Output() const {
    std::vector<float> values(outputs.at(0).bytes.size() / sizeof(float));
    std::memcpy(values.data(), outputs.at(0).bytes.data(), outputs.at(0).bytes.size());
    return values;
  }

 private:
  void Prepare(std::int64_t rows) {
    model = model_name_;
    NamedInput input;
    input.name = "x";
    input.datatype = DataType::kFp32;
    const auto count = static_cast<std::int64_t>(values_.size());
    if (rows > 0) input.shape.Append(rows);
    input.shape.Append(rows > 0 ? count / rows : count);
    input.bytes = std::as_bytes(std::span(values_));
    inputs.push_back(input);
  }

  std::string model_name_;
  std::vector<float> values_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int completions_ = 0;
};

}  // namespace cotenant
