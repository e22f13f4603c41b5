#pragma once

/// The files beside a network that hold its weights, read into memory.
///
/// ONNX Runtime maps such files, and whoever cuts a mapped file short ends the process that touches
/// it next. So only files that nobody else changes may be mapped; those of users are read, and the
/// library copies from what was read. Owns the bytes; they must stay until the session is created.
/// Blocks on the disk.

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/model_source.h"
#include "execution/onnx/memory_pool.h"
#include "execution/onnx/ort_api.h"

namespace cotenant {

class ExternalWeights {
 public:
  /// Finds out which files the network names, and reads them into blocks of the pool, charged to
  /// the calling thread's account. Errors name the file: it is missing, it is not below the
  /// network's folder, or weights lie in it where the library would map them all the same. What is
  /// no network names no files. `keep_cached`: may they stay in the page cache?
  static Result<ExternalWeights> Read(const VersionFile& file, const std::string& what,
                                      MemoryPool& pool, bool keep_cached);

  /// Has the session take its weights from here.
  Status AddTo(OrtSessionOptions& options, const std::string& what) const;

 private:
  struct GiveBack {
    MemoryPool* pool;
    void operator()(char* bytes) const { pool->Free(bytes); }
  };
  struct File {
    std::string path;                ///< Below the network's folder, in its plainest form.
    std::vector<std::string> names;  ///< As the network says it.
    std::unique_ptr<char, GiveBack> bytes;
    std::size_t size;
  };

  static Result<File> ReadOne(const std::string& folder, const std::string& name, MemoryPool& pool,
                              bool keep_cached);

  std::vector<File> files_;
};

}  // namespace cotenant
