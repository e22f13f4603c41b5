#include "config/options.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "config/flag_table.h"
#include "config/nearest.h"

namespace cotenant {
namespace {

constexpr std::string_view kServerFileName = "cotenant.toml";

/// One flag with its value, wherever it came from.
struct Setting {
  const Flag* flag;
  std::string value;
  std::string place;  ///< "--http-port" or "cotenant.toml:3:13".
};

std::vector<std::string_view> FlagNames() {
  std::vector<std::string_view> names;
  for (const Flag& flag : FlagTable()) names.push_back(flag.name);
  return names;
}

// The keys of [server]: what changes a running node's shape, not where the file itself is found.
std::vector<std::string_view> ServerKeys() {
  std::vector<std::string_view> names;
  for (const Flag& flag : FlagTable()) {
    const bool finds_file = flag.name == "help" || flag.name == "version" ||
                            flag.name == "config" || flag.name == "model-repository" ||
                            flag.name == "model-store";
    if (flag.use == FlagUse::kUsed && !finds_file) names.push_back(flag.name);
  }
  return names;
}

// The command line's choice goes before the file's.
void ChoosePolicies(const ServeOptions& options, PolicyChoice& choice) {
  choice.dispatch = options.dispatch.value_or(choice.dispatch);
  choice.batching = options.batching.value_or(choice.batching);
  choice.admission = options.admission.value_or(choice.admission);
  choice.residency = options.residency.value_or(choice.residency);
  choice.prediction = options.prediction.value_or(choice.prediction);
}

/// Words → settings; what is left over are folders.
class CommandLine {
 public:
  explicit CommandLine(std::span<const std::string> args) : args_(args) {}

  void Read() {
    for (std::size_t i = 0; i < args_.size(); ++i) {
      if (args_[i] == "-h") {
        settings.push_back({FindFlag("help"), "", "-h"});
      } else if (args_[i].starts_with("-") && args_[i] != "-") {
        i += ReadFlag(i);
      } else {
        folders.push_back(args_[i]);
      }
    }
  }

  std::vector<Setting> settings;
  std::vector<std::string> folders;
  std::vector<std::string> errors;

 private:
  // How many of the next words belong to the flag.
  std::size_t ReadFlag(std::size_t i) {
    const std::size_t equals = args_[i].find('=');
    const std::string word = args_[i].substr(0, equals);
    const Flag* flag = word.starts_with("--") ? FindFlag(word.substr(2)) : nullptr;
    if (flag == nullptr) {
      const std::vector<std::string_view> names = FlagNames();
      const std::size_t dashes = std::min(word.find_first_not_of('-'), word.size());
      const std::string_view bare = std::string_view(word).substr(dashes);
      errors.push_back("unknown flag '" + word + "'" + DidYouMean(bare, names, "--"));
      return 0;
    }
    if (equals != std::string::npos) {
      if (flag->kind == FlagKind::kSwitch) {
        errors.push_back(word + ": takes no value");
      } else {
        settings.push_back({flag, args_[i].substr(equals + 1), word});
      }
      return 0;
    }
    const bool has_next = i + 1 < args_.size();
    switch (flag->kind) {
      case FlagKind::kSwitch: settings.push_back({flag, "", word}); return 0;
      case FlagKind::kBoolean: {
        const bool takes_next = has_next && ParseBoolean(args_[i + 1]).ok();
        settings.push_back({flag, takes_next ? args_[i + 1] : "true", word});
        return takes_next ? 1 : 0;
      }
      case FlagKind::kValue: break;
    }
    if (!has_next) {
      errors.push_back(word + ": expected a value");
      return 0;
    }
    settings.push_back({flag, args_[i + 1], word});
    return 1;
  }

  std::span<const std::string> args_;
};

class Parse {
 public:
  explicit Parse(Program program) : program_(program) {
    options_.program = program;
    if (program == Program::kTritonserver) {
      for (auto* listen : {&options_.http, &options_.grpc, &options_.metrics}) {
        listen->address = "0.0.0.0";
      }
    }
    options_.http.port = 8000;
    options_.grpc.port = 8001;
    options_.metrics.port = 8002;
  }

  Result<ServeOptions> Run(std::span<const std::string> args) {
    options_.arguments.assign(args.begin(), args.end());
    CommandLine line(args);
    line.Read();
    errors_ = std::move(line.errors);
    for (const Setting& setting : line.settings) {
      options_.help = options_.help || setting.flag->name == "help";
      options_.version = options_.version || setting.flag->name == "version";
    }
    if (errors_.empty() && (options_.help || options_.version)) return std::move(options_);
    Folders(line.folders);
    for (const Setting& setting : line.settings) {
      given_.insert(setting.flag->name);
      Apply(setting, options_);
    }
    Repositories();
    ServerFileSettings();
    Ignored();
    Together();
    if (errors_.empty()) return std::move(options_);
    std::string text;
    for (const std::string& error : errors_) text += (text.empty() ? "" : "\n") + error;
    return Status(refused_only_ ? Code::kUnimplemented : Code::kInvalidArgument, text);
  }

 private:
  void Error(const std::string& message) {
    errors_.push_back(message);
    refused_only_ = false;
  }

  void Apply(const Setting& setting, ServeOptions& options) {
    const Flag& flag = *setting.flag;
    switch (flag.use) {
      case FlagUse::kUsed: {
        const Status status = flag.set(options, setting.value);
        if (!status.ok()) Error(setting.place + ": " + status.message());
        break;
      }
      case FlagUse::kIgnored: ignored_.push_back("--" + std::string(flag.name)); break;
      case FlagUse::kRefused: Refuse(setting); break;
    }
  }

  // A switch that is turned off asks for nothing that we lack.
  void Refuse(const Setting& setting) {
    if (setting.flag->kind == FlagKind::kBoolean) {
      const Result<bool> wanted = ParseBoolean(setting.value);
      if (!wanted.ok()) return Error(setting.place + ": " + wanted.status().message());
      if (!*wanted) return;
    }
    refused_only_ = errors_.empty() || refused_only_;
    errors_.push_back(setting.place + ": not supported: " + std::string(setting.flag->help));
  }

  void Folders(const std::vector<std::string>& folders) {
    for (const std::string& folder : folders) {
      if (program_ == Program::kTritonserver) {
        Error("unexpected argument '" + folder + "'");
      } else {
        options_.repositories.push_back(folder);
      }
    }
  }

  void Repositories() {
    if (options_.repositories.empty()) {
      Error(program_ == Program::kCotenant ? "give a folder of models: cotenant serve MODELS_DIR"
                                           : "give a folder of models: --model-repository=DIR");
    }
    for (const std::string& folder : options_.repositories) {
      std::error_code error;
      if (!folder.empty() && !std::filesystem::is_directory(folder, error)) {
        Error("there is no folder '" + folder + "'");
      }
    }
  }

  void ServerFileSettings() {
    if (!given_.contains("config")) {
      for (const std::string& folder : options_.repositories) {
        const std::filesystem::path path = std::filesystem::path(folder) / kServerFileName;
        std::error_code error;
        if (options_.config_file.empty() && std::filesystem::is_regular_file(path, error)) {
          options_.config_file = path.string();
        }
      }
    }
    if (options_.config_file.empty()) return Policies();
    const std::vector<std::string_view> keys = ServerKeys();
    Result<ServerFile> file = ReadServerFile(options_.config_file, keys);
    if (!file.ok()) return Error(file.status().message());
    options_.settings = file->settings;
    ServeOptions overruled;  // What the command line says too is right or wrong all the same.
    for (const ServerSetting& setting : file->server) {
      if (given_.contains(FindFlag(setting.flag)->name)) {
        FileSetting(setting, overruled);
        continue;
      }
      if (setting.flag == "metrics-address") file_metrics_address_ = true;
      FileSetting(setting, options_);
      options_.server.push_back(setting);
    }
    Policies();
  }

  void FileSetting(const ServerSetting& setting, ServeOptions& options) {
    const Flag* flag = FindFlag(setting.flag);
    const std::string place = setting.place + ": '" + setting.flag + "'";
    if (flag->kind == FlagKind::kSwitch) {
      const Result<bool> wanted = ParseBoolean(setting.value);
      if (!wanted.ok()) return Error(place + ": " + wanted.status().message());
      if (!*wanted) return;
    }
    Apply({flag, setting.value, place}, options);
  }

  void Policies() { ChoosePolicies(options_, options_.settings.policies); }

  void Ignored() {
    if (ignored_.empty()) return;
    std::string text = "flags without a meaning here are ignored:";
    for (const std::string& name : ignored_) text += " " + name;
    options_.warnings.push_back(text);
  }

  void Together() {
    if (!given_.contains("metrics-address") && !file_metrics_address_) {
      options_.metrics.address = options_.http.address;
    }
    const auto& models = options_.load_models;
    if (!models.empty() && options_.control != ModelControl::kExplicit) {
      Error("--load-model: use of it needs --model-control-mode=explicit");
    }
    if (models.size() > 1 && std::ranges::find(models, "*") != models.end()) {
      Error("--load-model: '*' means all models, so it is the only one that can be given");
    }
    if (!options_.http.allow && !options_.grpc.allow) {
      Error("--allow-http, --allow-grpc: at least one of them must be true");
    }
  }

  Program program_;
  ServeOptions options_;
  std::vector<std::string> errors_;
  std::vector<std::string> ignored_;
  std::set<std::string_view> given_;
  bool file_metrics_address_ = false;
  bool refused_only_ = false;
};

// Which flags differ, of those that are read at the start alone: "'http-port', 'slots'".
std::string ChangedAtStart(std::span<const ServerSetting> before,
                           std::span<const ServerSetting> now) {
  constexpr std::string_view kReadAgain[] = {"dispatch", "batching", "admission", "residency",
                                             "prediction"};
  const auto values = [](std::span<const ServerSetting> settings) {
    std::map<std::string, std::vector<std::string>> by_flag;
    for (const ServerSetting& setting : settings) by_flag[setting.flag].push_back(setting.value);
    return by_flag;
  };
  auto left = values(before);
  std::set<std::string> changed;
  for (auto& [flag, value] : values(now)) {
    if (left[flag] != value) changed.insert(flag);
    left.erase(flag);
  }
  for (const auto& [flag, value] : left) changed.insert(flag);
  std::string names;
  for (const std::string& flag : changed) {
    if (std::ranges::find(kReadAgain, flag) != std::end(kReadAgain)) continue;
    names += (names.empty() ? "'" : ", '") + flag + "'";
  }
  return names;
}

std::string Synopsis(const Flag& flag) {
  std::string text = "--" + std::string(flag.name);
  if (!flag.value.empty()) text += "=" + std::string(flag.value);
  return text;
}

}  // namespace

Program ProgramOf(std::string_view argv0) {
  const std::string_view name = argv0.substr(argv0.rfind('/') + 1);
  return name == "tritonserver" ? Program::kTritonserver : Program::kCotenant;
}

Result<ServeOptions> ParseServe(Program program, std::span<const std::string> args) {
  return Parse(program).Run(args);
}

Result<SettingsAgain> ReadSettings(const ServeOptions& running) {
  Result<ServeOptions> now = ParseServe(running.program, running.arguments);
  COTENANT_RETURN_IF_ERROR(now.status());
  if (now->config_file.empty() && !running.config_file.empty()) {
    return NotFound("there is no file '" + running.config_file + "' any more");
  }
  SettingsAgain again{std::move(now->settings), {}};
  const std::string names = ChangedAtStart(running.server, now->server);
  if (!names.empty()) {
    again.warning =
        now->config_file + ": [server] changed: " + names + "; that counts from the next start on";
  }
  return again;
}

std::string ServeHelp(Program program) {
  std::string text =
      program == Program::kCotenant
          ? "cotenant serve MODELS_DIR [flags]\n\nServes the models in a folder laid out for "
            "Triton over the Open Inference Protocol.\nListens on 127.0.0.1.\n"
          : "tritonserver --model-repository=DIR [flags]\n\nCotenant under Triton's name: takes "
            "its flags. Listens on 0.0.0.0.\n";
  std::string_view group;
  for (const Flag& flag : FlagTable()) {
    if (flag.use != FlagUse::kUsed) continue;
    if (flag.group != group) text += "\n" + std::string(flag.group) + "\n";
    group = flag.group;
    std::string line = "  " + Synopsis(flag);
    constexpr std::size_t kColumn = 34;
    if (!flag.help.empty()) {
      if (line.size() + 1 > kColumn) {
        text += line + "\n";
        line.clear();
      }
      line.resize(kColumn, ' ');
      line += flag.help;
    }
    text += line + "\n";
  }
  text +=
      "\nTriton's other flags are taken with one warning, or refused where they ask for what "
      "is not built.\n[server] in cotenant.toml takes the same names: http-port = 8000.\n";
  return text;
}

std::string FlagTableMarkdown() {
  std::string text = "| flag | | |\n|---|---|---|\n";
  for (const Flag& flag : FlagTable()) {
    const std::string_view use = flag.use == FlagUse::kUsed      ? "used"
                                 : flag.use == FlagUse::kIgnored ? "ignored, with a warning"
                                                                 : "**refused**";
    text += "| `" + Synopsis(flag) + "` | " + std::string(use) + " | " + std::string(flag.help) +
            " |\n";
  }
  return text;
}

}  // namespace cotenant
