#include "execution/onnx/external_weights.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>

namespace cotenant {
namespace {

namespace fs = std::filesystem;

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : number_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (number_ >= 0) close(number_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

/// How much of `size` bytes the file has from `at` on.
std::size_t ReadFully(int file, char* bytes, std::size_t size, std::uint64_t at) {
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = pread(file, bytes + have, size - have, static_cast<off_t>(at + have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

/// A network's bytes, in memory or in a file of which only a part is held: weights within it are
/// passed over.
class NetworkBytes {
 public:
  explicit NetworkBytes(std::string_view whole) : part_(whole), size_(whole.size()) {}
  NetworkBytes(int file, std::uint64_t size) : file_(file), size_(size), buffer_(1 << 16, '\0') {}

  std::uint64_t size() const { return size_; }
  std::optional<unsigned char> At(std::uint64_t at) {
    if (at < begin_ || at - begin_ >= part_.size()) {
      if (file_ < 0) return std::nullopt;
      part_ = {buffer_.data(), ReadFully(file_, buffer_.data(), buffer_.size(), at)};
      begin_ = at;
      if (part_.empty()) return std::nullopt;
    }
    return static_cast<unsigned char>(part_[at - begin_]);
  }

 private:
  int file_ = -1;
  std::string_view part_;
  std::uint64_t begin_ = 0;
  std::uint64_t size_;
  std::string buffer_;
};

/// Bytes begin … end of the network.
struct Piece {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct WireField {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  ///< Of a varint.
  Piece piece;              ///< Of what has a length; else empty.
};

/// Reads the fields of one message, in the protobuf wire format. Ends where they end or make no
/// sense: the library says what is wrong with such a file.
class WireFields {
 public:
  WireFields(NetworkBytes& bytes, Piece message) : bytes_(bytes), left_(message) {}

  bool Next(WireField& field) {
    std::uint64_t tag = 0;
    if (!Varint(tag)) return false;
    field = {tag >> 3, 0, {left_.begin, left_.begin}};
    switch (tag & 7) {
      case 0: return Varint(field.value);
      case 1: return Pass(8);
      case 5: return Pass(4);
      case 2: {
        std::uint64_t size = 0;
        if (!Varint(size)) return false;
        field.piece.begin = left_.begin;
        if (!Pass(size)) return false;
        field.piece.end = left_.begin;
        return true;
      }
      default: return false;
    }
  }

 private:
  bool Varint(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && left_.begin < left_.end; shift += 7) {
      const std::optional<unsigned char> byte = bytes_.At(left_.begin);
      if (!byte) return false;
      ++left_.begin;
      value |= static_cast<std::uint64_t>(*byte & 0x7f) << shift;
      if ((*byte & 0x80) == 0) return true;
    }
    return false;
  }
  bool Pass(std::uint64_t size) {
    if (size > left_.end - left_.begin) return false;
    left_.begin += size;
    return true;
  }

  NetworkBytes& bytes_;
  Piece left_;
};

/// Names of files that a network's tensors lie in. The numbers are those of onnx.proto.
class LocationScan {
 public:
  explicit LocationScan(NetworkBytes& bytes) : bytes_(bytes) {}

  void Model() {
    Each({0, bytes_.size()}, [&](const WireField& field) {
      if (field.number == 7) Graph(field.piece, false);
      if (field.number == 25) Function(field.piece);
    });
  }

  std::set<std::string> outer;  ///< Of the main graph's tensors.
  std::set<std::string> inner;  ///< Of all other tensors.

 private:
  /// Deeper ones the library refuses too.
  static constexpr int kDepthMax = 100;

  template <typename Visit>
  void Each(Piece message, Visit visit) {
    WireFields fields(bytes_, message);
    for (WireField field; fields.Next(field);) visit(field);
  }

  void Graph(Piece graph, bool is_inner) {
    if (++depth_ <= kDepthMax) {
      Each(graph, [&](const WireField& field) {
        if (field.number == 1) Node(field.piece, is_inner);
        if (field.number == 5) Tensor(field.piece, is_inner);
        if (field.number == 15) SparseTensor(field.piece);
      });
    }
    --depth_;
  }

  void Function(Piece function) {
    Each(function, [&](const WireField& field) {
      if (field.number == 7) Node(field.piece, true);
      if (field.number == 11) Attribute(field.piece, true);
    });
  }

  void Node(Piece node, bool is_inner) {
    Each(node, [&](const WireField& field) {
      if (field.number == 5) Attribute(field.piece, is_inner);
    });
  }

  void Attribute(Piece attribute, bool is_inner) {
    Each(attribute, [&](const WireField& field) {
      switch (field.number) {
        case 5: return Tensor(field.piece, is_inner);
        case 6:
        case 11: return Graph(field.piece, true);
        case 10: return Tensor(field.piece, true);
        case 22:
        case 23: return SparseTensor(field.piece);
        default: return;
      }
    });
  }

  void SparseTensor(Piece tensor) {
    Each(tensor, [&](const WireField& field) {
      if (field.number == 1 || field.number == 2) Tensor(field.piece, true);
    });
  }

  void Tensor(Piece tensor, bool is_inner) {
    bool external = false;
    std::vector<std::string> locations;
    Each(tensor, [&](const WireField& field) {
      if (field.number == 14) external = field.value == 1;
      if (field.number != 13) return;
      std::string key;
      std::string value;
      Each(field.piece, [&](const WireField& text) {
        if (text.number == 1) key = Text(text.piece);
        if (text.number == 2) value = Text(text.piece);
      });
      if (key == "location") locations.push_back(std::move(value));
    });
    if (external) (is_inner ? inner : outer).insert(locations.begin(), locations.end());
  }

  std::string Text(Piece piece) {
    constexpr std::uint64_t kTextMax = 4096;  // Of a path, on Linux.
    std::string text;
    for (std::uint64_t at = piece.begin; at < std::min(piece.end, piece.begin + kTextMax); ++at) {
      text.push_back(static_cast<char>(bytes_.At(at).value_or(0)));
    }
    return text;
  }

  NetworkBytes& bytes_;
  int depth_ = 0;
};

std::string WeightsText(const std::string& what, const std::string& location) {
  return what + ": its weights are in '" + location + "', ";
}

/// The location in its plainest form, below the network's folder.
Result<std::string> PlainLocation(const std::string& location, const std::string& what) {
  const fs::path plain = fs::path(location).lexically_normal();
  const bool leaves = plain.is_absolute() || plain.empty() || *plain.begin() == "..";
  if (leaves || location.find('\0') != std::string::npos) {
    return InvalidArgument(WeightsText(what, location) +
                           "which is no file below the network's folder");
  }
  return plain.string();
}

}  // namespace

Result<ExternalWeights> ExternalWeights::Read(const VersionFile& file, const std::string& what,
                                              MemoryPool& pool, bool keep_cached) {
  std::optional<OpenFile> opened;
  std::optional<NetworkBytes> bytes;
  if (file.content != nullptr) {
    bytes.emplace(*file.content);
  } else {
    opened.emplace(file.path);
    struct stat facts {};
    if (opened->number() < 0 || fstat(opened->number(), &facts) != 0) {
      return NotFound(what + ": " + std::strerror(errno));
    }
    bytes.emplace(opened->number(), static_cast<std::uint64_t>(facts.st_size));
  }
  LocationScan scan(*bytes);
  scan.Model();
  if (!scan.inner.empty()) {
    return Unimplemented(WeightsText(what, *scan.inner.begin()) +
                         "and belong to a graph within the network: only those of the main graph "
                         "may lie in a file of their own");
  }
  ExternalWeights weights;
  for (const std::string& location : scan.outer) {
    if (file.content != nullptr) {
      return InvalidArgument(WeightsText(what, location) +
                             "but a network that comes with a request has no files beside it");
    }
    Result<std::string> plain = PlainLocation(location, what);
    COTENANT_RETURN_IF_ERROR(plain.status());
    auto known = std::ranges::find(weights.files_, *plain, &File::path);
    if (known == weights.files_.end()) {
      Result<File> read = ReadOne(fs::path(file.path).parent_path(), *plain, pool, keep_cached);
      if (!read.ok()) {
        return Status(read.status().code(), WeightsText(what, location) + read.status().message());
      }
      weights.files_.push_back(*std::move(read));
      known = weights.files_.end() - 1;
    }
    // The library wants it as the network says it, and takes these two for one.
    const std::string name = location.starts_with("./") ? location.substr(2) : location;
    if (std::ranges::find(known->names, name) == known->names.end()) known->names.push_back(name);
  }
  return weights;
}

Result<ExternalWeights::File> ExternalWeights::ReadOne(const std::string& folder,
                                                       const std::string& name, MemoryPool& pool,
                                                       bool keep_cached) {
  const std::string path = folder + "/" + name;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return NotFound("which is no file that is there");
  const OpenFile opened(path);
  struct stat facts {};
  if (opened.number() < 0 || fstat(opened.number(), &facts) != 0) {
    return NotFound(std::string("which cannot be read: ") + std::strerror(errno));
  }
  const auto size = static_cast<std::size_t>(facts.st_size);
  char* const bytes = static_cast<char*>(pool.Allocate(std::max<std::size_t>(1, size)));
  File file{name, {}, {bytes, {&pool}}, size};
  if (ReadFully(opened.number(), bytes, size, 0) != size) {
    return FailedPrecondition("which was changed while it was read");
  }
  if (!keep_cached) posix_fadvise(opened.number(), 0, 0, POSIX_FADV_DONTNEED);
  return file;
}

Status ExternalWeights::AddTo(OrtSessionOptions& options, const std::string& what) const {
  if (files_.empty()) return Status();
  std::vector<const char*> names;
  std::vector<char*> buffers;
  std::vector<std::size_t> sizes;
  for (const File& file : files_) {
    for (const std::string& name : file.names) {
      names.push_back(name.c_str());
      buffers.push_back(file.bytes.get());
      sizes.push_back(file.size);
    }
  }
  COTENANT_RETURN_IF_ORT_ERROR(
      Ort().AddExternalInitializersFromFilesInMemory(&options, names.data(), buffers.data(),
                                                     sizes.data(), names.size()),
      what);
  return Status();
}

}  // namespace cotenant
