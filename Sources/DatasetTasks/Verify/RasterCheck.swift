internal import Glibc
internal import JobTypes
internal import TaskProtocol

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// Size and bands, one tile and the STAC item, through the preview route.
struct RasterCheck {
  let raster: VerifyRaster
  let preview: PreviewRoute

  init(_ raster: VerifyRaster, url: String, token: String) {
    self.raster = raster
    preview = PreviewRoute(url: url, token: token)
  }

  private struct Info: Decodable {
    var width: Int
    var height: Int
    var count: Int
    var dtype: String
  }

  private struct Item: Decodable {
    struct Asset: Decodable { var href: String }
    var id: String
    var assets: [String: Asset]
  }

  private struct MosaicInfo: Decodable {
    var scenes: Int
    var dtype: String
    var count: Int
  }

  func run() throws -> [VerifyCheck] {
    if let scenes = raster.scenes { return try mosaic(scenes) }
    let info = try decode(Info.self, "/info", "what it is")
    let item = try decode(Item.self, "/item", "its STAC item")
    let image = try preview.get(picture, accept: "image/png", what: "a tile")
    return [
      check("size", "\(raster.width)x\(raster.height)", "\(info.width)x\(info.height)"),
      check("bands", "\(raster.types.count)", "\(info.count)"),
      check("type", raster.types.first ?? "", info.dtype),
      check("item", raster.item, item.id),
      check("item_data", "present", item.assets["data"] == nil ? "missing" : "present"),
      check("tile", "image/png", image.starts(with: [0x89, 0x50, 0x4E, 0x47]) ? "image/png" : "no picture"),
    ]
  }

  private func mosaic(_ scenes: Int) throws -> [VerifyCheck] {
    let info = try decode(MosaicInfo.self, "/info", "what it is")
    let item = try decode(Item.self, "/scenes/\(raster.item)", "a scene's STAC item")
    let image = try preview.get(picture, accept: "image/png", what: "a tile")
    return [
      check("scenes", "\(scenes)", "\(info.scenes)"), check("bands", "\(raster.types.count)", "\(info.count)"),
      check("type", raster.types.first ?? "", info.dtype), check("item", raster.item, item.id),
      check("item_data", "present", item.assets["data"] == nil ? "missing" : "present"),
      check("tile", "image/png", image.starts(with: [0x89, 0x50, 0x4E, 0x47]) ? "image/png" : "no picture"),
    ]
  }

  /// The tile that holds the raster's middle, on a zoom where the raster fills about one; where Web Mercator ends, a preview.
  private var picture: String {
    let (west, south, north) = (raster.bbox[0], raster.bbox[1], raster.bbox[3])
    let east = raster.bbox[2] < west ? raster.bbox[2] + 360 : raster.bbox[2]
    let latitude = (south + north) / 2
    guard abs(latitude) < 85 else { return "/preview.png?max_size=256" }
    var longitude = (west + east) / 2
    if longitude >= 180 { longitude -= 360 }
    let span = max(east - west, north - south, 1e-6)
    let zoom = min(24, max(0, Int(log2(360 / span).rounded(.down))))
    let tiles = Double(1 << zoom)
    let radians = latitude * .pi / 180
    let mercator = log(tan(radians) + 1 / cos(radians)) / Double.pi
    let x = min(tiles - 1, max(0, ((longitude + 180) / 360 * tiles).rounded(.down)))
    let y = min(tiles - 1, max(0, ((1 - mercator) / 2 * tiles).rounded(.down)))
    return "/tiles/WebMercatorQuad/\(zoom)/\(Int(x))/\(Int(y)).png"
  }

  private func decode<T: Decodable>(_ type: T.Type, _ path: String, _ what: String) throws -> T {
    let body = try preview.get(path, accept: "application/json", what: what)
    do { return try JSONDecoder().decode(type, from: Data(body)) } catch {
      throw ProblemReport(.verifyFailed, "The data API's answer for \(path) is not what it should be: \(error)")
    }
  }

  private func check(_ name: String, _ expected: String, _ actual: String) -> VerifyCheck {
    VerifyCheck(collection: "The raster", name: name, via: "data_api", expected: expected, actual: actual)
  }
}
