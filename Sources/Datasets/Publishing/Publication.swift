internal import JobTypes

/// What is served of one build: the JSON that the SQL functions datasets.put_route and datasets.publish take.
struct Publication: Sendable {
  /// `vector` or `raster`: which part of the data API serves it.
  var kind: String
  var title: String
  var description: String
  var attribution: String
  var license: String
  /// west, south, east, north; nil without geometries.
  var bbox: [Double]?
  var collections: [Collection]
  var rasters: [Raster] = []
  /// STAC documents as JSON text.
  var stac: StacCatalogResult
  /// Of several: STAC items as JSON text, instead of `stac.item`.
  var items: [String]?

  struct Collection: Codable, Sendable {
    var id: String
    var position: Int
    var schema: String
    var table: String
    var geometry_type: String?
    var title: String
    var feature_count: Int64
    var bbox: [Double]?
  }

  /// A served file.
  struct Raster: Codable, Sendable {
    var id: String
    var position: Int
    var title: String
    /// Below the folder of served files.
    var file: String
    var bytes: Int64
    var bbox: [Double]
    var details: Details
  }

  /// What the data API shows of a raster, and how.
  struct Details: Codable, Sendable {
    var raster: RasterDescription
    var rendering: RasterRendering
    /// `overview`: no scene, but all of them from afar. `tiles`: map tiles that were drawn beforehand.
    var role: String?
    /// Of tiles: the highest zoom there is.
    var maxzoom: Int?
  }

  /// This, with tiles that were drawn beforehand, if there are any.
  func with(_ tiles: TileCacheResult?) -> Publication {
    guard let tiles, let first = rasters.first else { return self }
    var more = self
    more.rasters.append(
      Raster(
        id: Self.tilesID, position: rasters.count, title: "", file: tiles.file, bytes: tiles.bytes, bbox: first.bbox,
        details: Details(
          raster: first.details.raster, rendering: first.details.rendering, role: "tiles", maxzoom: tiles.maxzoom)))
    return more
  }

  /// No raster has it: ids begin with what file names do, and this does not.
  static let tilesID = "~tiles"

  func json() throws -> String {
    struct Head: Encodable {
      var kind: String
      var title: String
      var description: String
      var attribution: String
      var license: String
      var bbox: [Double]?
      var collections: [Collection]
      var rasters: [Raster]
    }
    let head = try JSON.text(
      Head(
        kind: kind, title: title, description: description, attribution: attribution, license: license, bbox: bbox,
        collections: collections, rasters: rasters))
    // The STAC documents are JSON already; they go in as they are.
    let described = items.map { #""items":[\#($0.joined(separator: ","))]"# } ?? #""item":\#(stac.item)"#
    return head.dropLast() + #","stac":{"collection":\#(stac.collection),\#(described)}}"#
  }
}
