import Foundation
import Testing

@testable import Geospatial

@Suite struct TileArchiveTests {
  @Test func whatIsWrittenIsReadByOthers() throws {
    let folder = try Folder()
    let bytes: [UInt8] = [0, 1, 0xAB, 0xFF, 0x27]
    do {
      let archive = try TileArchive(
        path: folder.path + "/tiles.sqlite",
        metadata: [("name", "It's \"one\"; DROP TABLE tiles"), ("format", "png"), ("maxzoom", "3")])
      try archive.add(TileArchive.Tile(zoom: 0, column: 0, row: 0), [])
      try archive.add(TileArchive.Tile(zoom: 3, column: 7, row: 0), bytes)
      #expect(archive.count == 2)
      // A tile is there once.
      #expect(throws: GeospatialError.self) { try archive.add(TileArchive.Tile(zoom: 3, column: 7, row: 0), bytes) }
      try archive.finish()
    }
    try folder.run(
      "python3",
      [
        "-c",
        """
        import sqlite3
        open("told", "w").write(repr([
          sqlite3.connect("tiles.sqlite").execute(sql).fetchall() for sql in (
            "SELECT zoom_level, tile_column, tile_row, hex(tile_data), typeof(tile_data) FROM tiles ORDER BY zoom_level",
            "SELECT value FROM metadata WHERE name = 'name'")]))
        """,
      ])
    // Rows are counted from below.
    #expect(
      String(decoding: try folder.read("told"), as: UTF8.self)
        == #"[[(0, 0, 0, '', 'blob'), (3, 7, 7, '0001ABFF27', 'blob')], [('It\'s "one"; DROP TABLE tiles',)]]"#)
  }

  @Test func whereThereIsNoPlaceItSaysSo() throws {
    _ = try Folder()
    #expect(throws: GeospatialError.self) { try TileArchive(path: "/nowhere/at/all.sqlite", metadata: []) }
  }
}
