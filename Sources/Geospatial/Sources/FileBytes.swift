internal import Glibc

/// Reads pieces of a file by position.
struct FileBytes: ~Copyable {
  private let descriptor: Int32
  let size: Int64

  init?(_ path: String) {
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    var info = stat()
    size = fstat(descriptor, &info) == 0 ? Int64(info.st_size) : 0
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Up to `count` bytes from `offset`; fewer at the end of the file.
  func read(at offset: Int64, count: Int) -> [UInt8] {
    guard offset >= 0, offset < size, count > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      var done = 0
      while done < count {
        let got = pread(descriptor, buffer.baseAddress! + done, count - done, off_t(offset) + off_t(done))
        if got < 0 && errno == EINTR { continue }
        if got <= 0 { break }
        done += got
      }
      filled = done
    }
  }
}

extension FileBytes {
  /// How often `pattern` occurs in the whole file.
  func occurrences(of pattern: String) -> Int64 {
    let pattern = Array(pattern.utf8)
    var count: Int64 = 0
    var offset: Int64 = 0
    while offset < size {
      let chunk = read(at: offset, count: 1 << 20)
      guard chunk.count >= pattern.count else { break }
      chunk.withUnsafeBytes { bytes in
        let end = bytes.baseAddress! + bytes.count
        var at = bytes.baseAddress!
        while let found = memchr(at, Int32(pattern[0]), end - at).map({ UnsafeRawPointer($0) }) {
          let matches = end - found >= pattern.count && memcmp(found, pattern, pattern.count) == 0
          count += matches ? 1 : 0
          at = found + (matches ? pattern.count : 1)
        }
      }
      // The next piece begins where a pattern across the border would.
      offset += Int64(chunk.count - pattern.count + 1)
    }
    return count
  }
}

/// Little- and big-endian integers out of bytes that are long enough.
extension [UInt8] {
  func little16(_ at: Int) -> Int { Int(self[at]) | Int(self[at + 1]) << 8 }
  func little32(_ at: Int) -> Int { little16(at) | little16(at + 2) << 16 }
  func little64(_ at: Int) -> UInt64 { UInt64(little32(at)) | UInt64(little32(at + 4)) << 32 }
  func big16(_ at: Int) -> Int { Int(self[at]) << 8 | Int(self[at + 1]) }
  func big32(_ at: Int) -> Int { big16(at) << 16 | big16(at + 2) }
}
