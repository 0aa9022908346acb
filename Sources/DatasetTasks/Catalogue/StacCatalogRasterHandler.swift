internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// `stac_catalog_raster`: STAC 1.1 collection and item of a raster dataset. Pure: the documents are stored by publishing.
enum StacCatalogRasterHandler: TaskHandler {
  static let version: Int32 = 1

  static func run(_ context: TaskContext) throws -> String {
    let parameters = try context.parameters(StacCatalogRasterParameters.self)
    try context.reporter.progress("catalog", unit: "steps", done: 0, total: 1, message: "Describing the dataset")
    let documents = StacRaster(parameters)
    let result = StacCatalogResult(
      collection: try JSONText.encode(documents.collection), item: try JSONText.encode(documents.item))
    try context.reporter.progress("catalog", unit: "steps", done: 1, total: 1, message: "Described the dataset")
    return try JSONText.encode(result)
  }
}

/// The documents of one raster.
struct StacRaster {
  let parameters: StacCatalogRasterParameters
  /// Of one of a collection's scenes: its id. Its file lies below the collection's endpoint.
  let scene: String?

  init(_ parameters: StacCatalogRasterParameters, scene: String? = nil) {
    self.parameters = parameters
    self.scene = scene
  }

  private static let extensions = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/render/v2.0.0/schema.json",
  ]

  private var raster: RasterDescription { parameters.file.raster }

  var collection: JSONValue { parameters.collection(bbox: raster.bbox) }

  var item: JSONValue {
    var document = parameters.item(extensions: Self.extensions, bbox: raster.bbox)
    document["geometry"] = footprint
    document["properties"] = properties
    document["assets"] = assets
    return .object(document)
  }

  /// The item another dataset has of this raster, as one of ours: what it says of the data stays, its time above all; where the data
  /// is found is here.
  func adopted(_ item: JSONValue) throws -> JSONValue {
    guard case .object(var document) = item, case .object(let theirs)? = document["assets"],
      case .object(let ours) = assets
    else { throw ProblemReport(.internal, "The STAC item of a dataset of the mosaic is none.") }
    document["id"] = .string(parameters.itemID)
    document["collection"] = .string(parameters.collectionID)
    document["links"] = []
    var adopted = theirs
    for (name, asset) in theirs {
      guard case .object(var members) = asset else { continue }
      members["href"] = ours[name]?["href"]
      adopted[name] = members["href"] == nil ? nil : .object(members)
    }
    document["assets"] = .object(adopted)
    return .object(document)
  }

  private var footprint: JSONValue {
    let polygons = raster.footprint.map { ring in JSONValue.array([.array(ring.map(JSONValue.numbers))]) }
    guard polygons.count != 1 else { return ["type": "Polygon", "coordinates": polygons[0]] }
    return ["type": "MultiPolygon", "coordinates": .array(polygons)]
  }

  private var properties: JSONValue {
    var properties = parameters.commonProperties.merging(projection) { $1 }
    properties["terrane:raster_kind"] = .string(raster.kind)
    properties["terrane:source_crs"] = .string(parameters.sourceCRS)
    properties["terrane:compression"] = .string(parameters.file.compression)
    properties["terrane:lossy"] = .bool(parameters.file.isLossy)
    properties["gsd"] = metresPerPixel.map(JSONValue.number)
    properties["renders"] = ["default": rendering]
    return .object(properties)
  }

  /// Ground sample distance, where the system's unit is the metre.
  private var metresPerPixel: Double? {
    guard raster.crsWKT.hasPrefix("PROJCRS"), raster.crsWKT.contains("LENGTHUNIT[\"metre\",1]") else { return nil }
    let t = raster.transform
    return (t[1] * t[1] + t[4] * t[4]).squareRoot()
  }

  private var projection: [String: JSONValue] {
    let t = raster.transform
    let (w, h) = (Double(raster.width), Double(raster.height))
    let corners = [(0, 0), (w, 0), (0, h), (w, h)].map { (t[0] + t[1] * $0 + t[2] * $1, t[3] + t[4] * $0 + t[5] * $1) }
    let (xs, ys) = (corners.map(\.0), corners.map(\.1))
    var fields: [String: JSONValue] = [
      "proj:code": raster.crsCode.map(JSONValue.string) ?? .null,
      "proj:shape": [.integer(Int64(raster.height)), .integer(Int64(raster.width))],
      // The order of STAC: pixel width, row rotation, x, column rotation, pixel height, y.
      "proj:transform": .numbers([t[1], t[2], t[0], t[4], t[5], t[3]]),
      "proj:bbox": .numbers([xs.min()!, ys.min()!, xs.max()!, ys.max()!]),
    ]
    if raster.crsCode == nil { fields["proj:wkt2"] = .string(raster.crsWKT) }
    return fields
  }

  private var rendering: JSONValue {
    let shown = parameters.rendering
    var fields: [String: JSONValue] = [
      "title": "Default", "assets": ["data"], "bidx": .array(shown.bands.map { .integer(Int64($0)) }),
    ]
    if let colours = shown.colours {
      let pairs = colours.map { ("\($0[0])", JSONValue.array($0[1...].map { .integer(Int64($0)) } + [.integer(255)])) }
      fields["colormap"] = .object(Dictionary(pairs, uniquingKeysWith: { one, _ in one }))
      return .object(fields)
    }
    if let rescale = shown.rescale {
      fields["rescale"] = .array(shown.bands.filter { $0 <= rescale.count }.map { .numbers(rescale[$0 - 1]) })
    }
    if let colormap = shown.colormap { fields["colormap_name"] = .string(colormap) }
    return .object(fields)
  }

  private var assets: JSONValue {
    let endpoint = parameters.endpoint
    var data: [String: JSONValue] = [
      "href": .string(scene.map { "\(endpoint)/scenes/\($0).tif" } ?? "\(endpoint)/data.tif"),
      "type": "image/tiff; application=geotiff; profile=cloud-optimized", "title": "Cloud-optimised GeoTIFF",
      "roles": ["data"], "file:size": .integer(parameters.file.bytes),
      // A multihash: SHA-256, 32 bytes.
      "file:checksum": .string("1220" + parameters.file.sha256),
      "raster:bands": .array(raster.bands.map(rasterBand)), "bands": .array(raster.bands.enumerated().map(band)),
    ]
    data.merge(projection) { $1 }
    let preview = scene.map { "scenes/\($0).png" } ?? "preview.png?max_size=512"
    var assets: [String: JSONValue] = [
      "data": .object(data),
      "thumbnail": [
        "href": .string("\(endpoint)/\(preview)"), "type": "image/png", "title": "Preview", "roles": ["thumbnail"],
      ],
      "tiles": [
        "href": .string("\(endpoint)/WebMercatorQuad/tilejson.json"), "type": "application/json",
        "title": "Map tiles (TileJSON)", "roles": ["tiles"],
      ],
      "wmts": [
        "href": .string("\(endpoint)/WMTSCapabilities.xml"), "type": "application/xml", "title": "Map tiles (WMTS)",
        "roles": ["tiles"],
      ],
      "endpoint": [
        "href": .string(endpoint), "type": "application/json", "title": "The dataset", "roles": ["service"],
      ],
    ]
    // A scene's tiles are the whole mosaic's.
    if scene == nil, let tiles = parameters.tiles { assets["tile_cache"] = Self.asset(tiles, endpoint) }
    return .object(assets)
  }

  /// Of a raster's item, or of a mosaic's collection.
  static func asset(_ tiles: TileCacheResult, _ endpoint: String) -> JSONValue {
    [
      "href": .string("\(endpoint)/tiles.mbtiles"), "type": "application/vnd.sqlite3",
      "title": .string("Map tiles of zoom 0 to \(tiles.maxzoom) (MBTiles)"), "roles": ["tiles"],
      "file:size": .integer(tiles.bytes),
    ]
  }

  /// Of the raster extension.
  private func rasterBand(_ band: RasterBand) -> JSONValue {
    var fields: [String: JSONValue] = ["data_type": .string(band.type), "sampling": "area"]
    if let nodata = Self.nodata(band) { fields["nodata"] = nodata }
    if !band.unit.isEmpty { fields["unit"] = .string(band.unit) }
    if let scale = band.scale { fields["scale"] = .number(scale) }
    if let offset = band.offset { fields["offset"] = .number(offset) }
    if let resolution = metresPerPixel { fields["spatial_resolution"] = .number(resolution) }
    if let found = band.statistics {
      fields["statistics"] = [
        "minimum": .number(found.minimum), "maximum": .number(found.maximum), "mean": .number(found.mean),
        "stddev": .number(found.standardDeviation), "valid_percent": .number(found.validShare * 100),
      ]
    }
    return .object(fields)
  }

  /// Of STAC 1.1 itself.
  private func band(_ index: Int, _ band: RasterBand) -> JSONValue {
    var fields: [String: JSONValue] = ["name": .string("b\(index + 1)"), "data_type": .string(band.type)]
    let description = band.description.isEmpty && band.colour != "undefined" ? band.colour : band.description
    if !description.isEmpty { fields["description"] = .string(description) }
    if let nodata = Self.nodata(band) { fields["nodata"] = nodata }
    if !band.unit.isEmpty { fields["unit"] = .string(band.unit) }
    if let found = band.statistics {
      fields["statistics"] = [
        "minimum": .number(found.minimum), "maximum": .number(found.maximum), "mean": .number(found.mean),
        "stddev": .number(found.standardDeviation), "valid_percent": .number(found.validShare * 100),
      ]
    }
    return .object(fields)
  }

  /// A number, or one of the words JSON has none for.
  private static func nodata(_ band: RasterBand) -> JSONValue? {
    guard let text = band.nodata else { return nil }
    if let whole = Int64(text) { return .integer(whole) }
    guard let value = Double(text), value.isFinite else { return .string(text) }
    return .number(value)
  }
}
