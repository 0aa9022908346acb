internal import Geospatial
internal import Glibc
internal import JobTypes
internal import TaskProtocol

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// `generate_tile_cache`: asks the data API for every tile of the low zooms, and keeps them in one file. What is kept is what would be
/// drawn: nobody sees where the kept ones end.
enum TileCacheHandler: TaskHandler {
  static let version: Int32 = 1

  /// Most tiles of a cache. The zoom that would have more is not begun.
  static let most = 2_000

  static func run(_ context: TaskContext) throws -> String {
    let parameters = try context.parameters(TileCacheParameters.self)
    guard let base = context.assignment.dataAPIURL else {
      throw ProblemReport(.parametersInvalid, "generate_tile_cache needs the address of the data API.")
    }
    let preview = PreviewRoute(url: base + parameters.endpointPath, token: parameters.previewToken)
    let tiles = TileRange(parameters.bbox).tiles(most: most, maxzoom: try maxzoom(preview))
    let highest = tiles.last?.zoom ?? 0
    let path = context.assignment.scratchDirectory + "/" + TileCacheFile.scratchName
    let archive = try TileArchive(path: path, metadata: metadata(parameters, highest))
    for (index, tile) in tiles.enumerated() {
      try context.reporter.progress(
        "draw", unit: "tiles", done: Int64(index), total: Int64(tiles.count), message: "Drawing tiles of the low zooms")
      let address = "/tiles/WebMercatorQuad/\(tile.zoom)/\(tile.column)/\(tile.row).png"
      // Beside the data there is nothing to keep.
      let picture = try preview.get(address, accept: "image/png", what: "a tile", again: true)
      if !picture.isEmpty { try archive.add(tile, picture) }
    }
    try archive.finish()
    try WrittenFile.flush(path)
    let bytes = try SourceFiles(file: path).size
    return try JSONText.encode(
      TileCacheResult(file: TileCacheFile.scratchName, bytes: bytes, maxzoom: highest, count: archive.count))
  }

  /// The zoom of the raster's own pixels: tiles beyond it show nothing more.
  private static func maxzoom(_ preview: PreviewRoute) throws -> Int {
    struct TileJSON: Decodable { var maxzoom: Int }
    let body = try preview.get(
      "/WebMercatorQuad/tilejson.json", accept: "application/json", what: "its TileJSON", again: true)
    guard let told = try? JSONDecoder().decode(TileJSON.self, from: Data(body)) else {
      throw ProblemReport(.dataAPIUnavailable, "The data API's TileJSON cannot be read.", transient: true)
    }
    return told.maxzoom
  }

  private static func metadata(_ parameters: TileCacheParameters, _ maxzoom: Int) -> [(String, String)] {
    let (west, south, east, north) = (parameters.bbox[0], parameters.bbox[1], parameters.bbox[2], parameters.bbox[3])
    // Across the antimeridian it is the whole world, for clients that know no other way.
    let bounds = west < east ? [west, south, east, north] : [-180, south, 180, north]
    let clipped = [
      bounds[0], max(bounds[1], -TileRange.limit), bounds[2], min(bounds[3], TileRange.limit),
    ]
    return [
      ("name", parameters.title), ("format", "png"), ("type", "overlay"), ("version", "1"),
      ("bounds", clipped.map { "\($0)" }.joined(separator: ",")), ("minzoom", "0"), ("maxzoom", "\(maxzoom)"),
      ("attribution", parameters.attribution),
    ]
  }
}

/// The tiles of Web Mercator that a box of degrees touches.
struct TileRange {
  /// Degrees at which Web Mercator ends.
  static let limit = 85.051_128_779_806_6

  /// Without those that go over the antimeridian: one or two.
  private let boxes: [[Double]]

  /// - Parameter bbox: west, south, east, north; west is greater than east across the antimeridian.
  init(_ bbox: [Double]) {
    boxes =
      bbox[0] <= bbox[2]
      ? [bbox] : [[bbox[0], bbox[1], 180, bbox[3]], [-180, bbox[1], bbox[2], bbox[3]]]
  }

  /// All of zoom 0, of zoom 1, …: as many whole zooms as `most` allows, at least one, at most to `maxzoom`.
  func tiles(most: Int, maxzoom: Int) -> [TileArchive.Tile] {
    var tiles: [TileArchive.Tile] = []
    for zoom in 0...max(0, min(maxzoom, 24)) {
      let room = most - tiles.count
      guard let next = self.tiles(zoom: zoom, most: room) else { break }
      tiles += next
    }
    return tiles
  }

  /// Nil: more than `most`.
  private func tiles(zoom: Int, most: Int) -> [TileArchive.Tile]? {
    var tiles: Set<TileArchive.Tile> = []
    for box in boxes where box[1] < Self.limit && box[3] > -Self.limit {
      let (left, top) = Self.tile(box[0], box[3], zoom)
      let (right, bottom) = Self.tile(box[2], box[1], zoom)
      guard (right - left + 1) * (bottom - top + 1) <= most else { return nil }
      for column in left...right {
        for row in top...bottom { tiles.insert(TileArchive.Tile(zoom: zoom, column: column, row: row)) }
      }
    }
    guard tiles.count <= most else { return nil }
    return tiles.sorted { ($0.row, $0.column) < ($1.row, $1.column) }
  }

  private static func tile(_ longitude: Double, _ latitude: Double, _ zoom: Int) -> (column: Int, row: Int) {
    let side = Double(1 << zoom)
    let radians = min(max(latitude, -limit), limit) * .pi / 180
    let x = (longitude + 180) / 360 * side
    let y = (1 - log(tan(radians) + 1 / cos(radians)) / .pi) / 2 * side
    func index(_ value: Double) -> Int { Int(min(max(value.rounded(.down), 0), side - 1)) }
    return (index(x), index(y))
  }
}
