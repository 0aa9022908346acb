internal import CGDAL

/// Map tiles in one file: MBTiles 1.3, which is an SQLite database (github.com/mapbox/mbtiles-spec).
public final class TileArchive {
  /// A tile in Web Mercator, counted from the top left.
  public struct Tile: Sendable, Hashable {
    public var zoom: Int
    public var column: Int
    public var row: Int

    public init(zoom: Int, column: Int, row: Int) {
      self.zoom = zoom
      self.column = column
      self.row = row
    }
  }

  private let handle: GDALDatasetH
  /// Tiles written.
  public private(set) var count = 0

  /// A new archive.
  /// - Parameter metadata: names and values, as the specification has them.
  public init(path: String, metadata: [(String, String)]) throws(GeospatialError) {
    let options = StringList(["METADATA=NO"])
    let (opened, failures) = ErrorCapture.during { errors -> (GDALDatasetH?, [ErrorCapture.Report]) in
      guard let driver = GDALGetDriverByName("SQLite") else { return (nil, errors.takeFailures()) }
      return (GDALCreate(driver, path, 0, 0, 0, GDT_Unknown, options.pointer), errors.takeFailures())
    }
    guard let opened else { throw Self.failed(failures) }
    handle = opened
    for sql in [
      "CREATE TABLE metadata (name text, value text)",
      "CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob)",
      "CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row)",
    ] { try run(sql) }
    for (name, value) in metadata {
      try run("INSERT INTO metadata VALUES (\(Self.quoted(name)), \(Self.quoted(value)))")
    }
    guard GDALDatasetStartTransaction(handle, 0) == OGRERR_NONE else { throw Self.failed([]) }
  }

  deinit { GDALClose(handle) }

  /// Adds a tile, which must not be there yet.
  public func add(_ tile: Tile, _ data: [UInt8]) throws(GeospatialError) {
    // MBTiles counts rows from below.
    let row = (1 << tile.zoom) - 1 - tile.row
    try run("INSERT INTO tiles VALUES (\(tile.zoom), \(tile.column), \(row), X'\(Self.hex(data))')")
    count += 1
  }

  /// Puts everything on the disk. Nothing is added afterwards.
  public func finish() throws(GeospatialError) {
    let (result, failures) = ErrorCapture.during { errors in
      let result = GDALDatasetCommitTransaction(handle)
      GDALFlushCache(handle)
      return (result, errors.takeFailures())
    }
    guard result == OGRERR_NONE, failures.isEmpty else { throw Self.failed(failures) }
  }

  private func run(_ sql: String) throws(GeospatialError) {
    let failures = ErrorCapture.during { errors in
      if let rows = GDALDatasetExecuteSQL(handle, sql, nil, nil) { GDALDatasetReleaseResultSet(handle, rows) }
      return errors.takeFailures()
    }
    guard failures.isEmpty else { throw Self.failed(failures) }
  }

  private static func failed(_ failures: [ErrorCapture.Report]) -> GeospatialError {
    let why = failures.text(or: "GDAL gives no reason")
    let isFull = why.contains("full") || why.contains("No space left") || why.contains("disk I/O error")
    return GeospatialError(isFull ? .diskFull : .readError, "The tiles could not be written: \(why)")
  }

  private static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
  }

  private static func hex(_ data: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(unsafeUninitializedCapacity: data.count * 2) { buffer in
      for (index, byte) in data.enumerated() {
        buffer[index * 2] = digits[Int(byte >> 4)]
        buffer[index * 2 + 1] = digits[Int(byte & 15)]
      }
      return data.count * 2
    }
  }
}
