/// The central directory of a zip archive, read by ourselves so that an archive is judged before any library unpacks it.
struct ZipDirectory {
  struct Entry: Equatable {
    var name: String
    var compressed: UInt64
    var uncompressed: UInt64
    var isFolder: Bool { name.hasSuffix("/") }
  }

  /// What an archive may be.
  struct Limits {
    /// Most entries.
    var entries = 4_096
    /// Most bytes once unpacked, all entries together.
    var uncompressed: UInt64 = 64 << 30
    /// Most growth: deflate reaches 1,032, real shapefiles stay below 100. Small archives may grow to `freeGrowth` anyway.
    var ratio: UInt64 = 200
    var freeGrowth: UInt64 = 64 << 20
  }

  let entries: [Entry]

  /// Reads the directory of the archive at `path`.
  ///
  /// Refused: names that leave the archive, absolute names, equal names, encryption, symbolic links, over the limits.
  init(path: String, limits: Limits = Limits()) throws(GeospatialError) {
    guard let file = FileBytes(path) else { throw SourceAddress.unreadable(path) }
    let (offset, count, length) = try Self.locate(file)
    guard count > 0 else { throw GeospatialError(.archiveAmbiguous, "The archive is empty.") }
    guard count <= limits.entries else {
      throw GeospatialError(.archiveRefused, "The archive has \(count) entries; \(limits.entries) are allowed.")
    }
    guard length <= 16 << 20 else { throw GeospatialError(.archiveRefused, "The archive's directory is too long.") }
    let bytes = file.read(at: offset, count: length)
    guard bytes.count == length else { throw Self.corrupt("its directory lies beyond its end") }
    entries = try Self.parse(bytes, count: count)
    try Self.judge(entries, archive: UInt64(file.size), limits: limits)
  }

  private static func corrupt(_ why: String) -> GeospatialError {
    GeospatialError(.sourceCorrupt, "The file is not a usable zip archive: \(why).")
  }

  /// Offset, entry count and length of the central directory, from the end record (and its zip64 sister).
  private static func locate(_ file: borrowing FileBytes) throws(GeospatialError) -> (Int64, Int, Int) {
    let tailLength = Int(min(file.size, 65_557))
    let tail = file.read(at: file.size - Int64(tailLength), count: tailLength)
    var at = tail.count - 22
    while at >= 0 && !(tail[at] == 0x50 && tail.little32(at) == 0x0605_4B50) { at -= 1 }
    guard at >= 0 else {
      let start = file.read(at: 0, count: 4)
      if start.count == 4 && start.little32(0) == 0x0403_4B50 {
        throw GeospatialError(.sourceTruncated, "The zip archive ends before its directory.", byte: file.size)
      }
      throw corrupt("it has no directory")
    }
    guard tail.little16(at + 4) == 0 && tail.little16(at + 6) == 0 else { throw corrupt("it spans several disks") }
    var count = tail.little16(at + 10)
    var length = UInt64(tail.little32(at + 12))
    var offset = UInt64(tail.little32(at + 16))
    if count == 0xFFFF || length == 0xFFFF_FFFF || offset == 0xFFFF_FFFF {
      guard at >= 20, tail.little32(at - 20) == 0x0706_4B50,
        let recordAt = Int64(exactly: tail.little64(at - 20 + 8))
      else { throw corrupt("its zip64 record is missing") }
      let record = file.read(at: recordAt, count: 56)
      guard record.count == 56, record.little32(0) == 0x0606_4B50,
        let entries = Int(exactly: record.little64(32))
      else { throw corrupt("its zip64 record is damaged") }
      count = entries
      length = record.little64(40)
      offset = record.little64(48)
    }
    guard let start = Int64(exactly: offset), let bytes = Int(exactly: length) else { throw corrupt("absurd sizes") }
    return (start, count, bytes)
  }

  private static func parse(_ bytes: [UInt8], count: Int) throws(GeospatialError) -> [Entry] {
    var entries: [Entry] = []
    var at = 0
    for _ in 0..<count {
      guard at + 46 <= bytes.count, bytes.little32(at) == 0x0201_4B50 else { throw corrupt("its directory is cut") }
      let nameLength = bytes.little16(at + 28)
      let extraLength = bytes.little16(at + 30)
      let end = at + 46 + nameLength + extraLength + bytes.little16(at + 32)
      guard end <= bytes.count else { throw corrupt("its directory is cut") }
      let nameBytes = Array(bytes[(at + 46)..<(at + 46 + nameLength)])
      var entry = Entry(
        name: String(decoding: nameBytes, as: UTF8.self), compressed: UInt64(bytes.little32(at + 20)),
        uncompressed: UInt64(bytes.little32(at + 24)))
      let extra = Array(bytes[(at + 46 + nameLength)..<(at + 46 + nameLength + extraLength)])
      applyZip64(extra, to: &entry)
      guard bytes.little16(at + 8) & 0x41 == 0 else {
        throw GeospatialError(.archiveRefused, "The archive is encrypted.", details: ["entry": entry.name])
      }
      guard (bytes.little32(at + 38) >> 16) & 0o170000 != 0o120000 else {
        throw GeospatialError(.archiveRefused, "The archive holds a symbolic link.", details: ["entry": entry.name])
      }
      guard !nameBytes.contains(0) else { throw corrupt("an entry's name holds a NUL") }
      entries.append(entry)
      at = end
    }
    return entries
  }

  private static func applyZip64(_ extra: [UInt8], to entry: inout Entry) {
    var at = 0
    while at + 4 <= extra.count {
      let length = extra.little16(at + 2)
      let end = at + 4 + length
      guard end <= extra.count else { return }
      if extra.little16(at) == 0x0001 {
        var field = at + 4
        if entry.uncompressed == 0xFFFF_FFFF, field + 8 <= end {
          entry.uncompressed = extra.little64(field)
          field += 8
        }
        if entry.compressed == 0xFFFF_FFFF, field + 8 <= end { entry.compressed = extra.little64(field) }
      }
      at = end
    }
  }

  private static func judge(_ entries: [Entry], archive: UInt64, limits: Limits) throws(GeospatialError) {
    var seen: Set<String> = []
    var total: UInt64 = 0
    for entry in entries {
      let parts = entry.name.split(separator: "/", omittingEmptySubsequences: false)
      let escapes =
        entry.name.isEmpty || entry.name.hasPrefix("/") || entry.name.contains("\\") || entry.name.contains(":")
        || parts.contains("..") || entry.name.contains("}") || entry.name.contains("{")
      guard !escapes else {
        throw GeospatialError(
          .archiveRefused, "The archive has an entry whose name leaves it.", details: ["entry": entry.name])
      }
      guard seen.insert(entry.name.lowercased()).inserted else {
        throw GeospatialError(
          .archiveRefused, "The archive has two entries of one name.", details: ["entry": entry.name])
      }
      let (sum, overflow) = total.addingReportingOverflow(entry.uncompressed)
      total = overflow ? .max : sum
    }
    guard total <= limits.uncompressed,
      total <= max(limits.freeGrowth, archive.multipliedReportingOverflow(by: limits.ratio).partialValue)
    else {
      throw GeospatialError(
        .archiveRefused, "The archive of \(archive) bytes would unpack to \(total) bytes.",
        details: ["archive_bytes": "\(archive)", "unpacked_bytes": "\(total)"])
    }
  }
}
