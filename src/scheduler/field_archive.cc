#include "scheduler/field_archive.h"

namespace cotenant {

std::uint64_t FieldReader::Varint() {
  std::uint64_t value = 0;
  for (int shift = 0; ok() && shift < 64; shift += 7) {
    if (at_ == bytes_.size()) {
      Fail("the bytes end inside a value");
      return 0;
    }
    const auto byte = static_cast<unsigned char>(bytes_[at_++]);
    // The tenth byte has room for one bit.
    if (shift == 63 && byte > 1) break;
    value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    // Each number has one form, so that what was read is written back with the same bytes.
    if (byte == 0 && shift > 0) break;
    if (byte < 0x80) return value;
  }
  Fail("a number is malformed");
  return 0;
}

void FieldReader::Fixed(std::uint64_t& value) {
  value = 0;
  if (ok() && left() < 8) Fail("the bytes end inside a value");
  if (!ok()) return;
  for (int shift = 0; shift < 64; shift += 8) {
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes_[at_++])) << shift;
  }
}

std::size_t FieldReader::Count() {
  const std::uint64_t count = Varint();
  if (count <= left()) return static_cast<std::size_t>(count);
  Fail("a list has more elements than bytes are left");
  return 0;
}

void FieldReader::GetObject(std::string& value) {
  const std::size_t size = Count();
  value.assign(bytes_.substr(at_, size));
  at_ += size;
}

void FieldReader::Fail(const char* what) {
  if (!ok()) return;
  wrong_ = what;
  wrong_at_ = base_ + at_;
}

Status FieldReader::status() const {
  if (ok()) return Status();
  return AtOffset(wrong_at_, InvalidArgument(wrong_));
}

}  // namespace cotenant
