internal import JobTypes

/// What is served of one build: the JSON that the SQL functions datasets.put_route and datasets.publish take.
struct Publication: Sendable {
  var title: String
  var description: String
  var attribution: String
  var license: String
  /// west, south, east, north; nil without geometries.
  var bbox: [Double]?
  var collections: [Collection]
  /// STAC documents as JSON text.
  var stac: StacCatalogResult

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

  func json() throws -> String {
    struct Head: Encodable {
      var kind = "vector"
      var title: String
      var description: String
      var attribution: String
      var license: String
      var bbox: [Double]?
      var collections: [Collection]
    }
    let head = try JSON.text(
      Head(
        title: title, description: description, attribution: attribution, license: license, bbox: bbox,
        collections: collections))
    // The STAC documents are JSON already; they go in as they are.
    return head.dropLast() + #","stac":{"collection":\#(stac.collection),"item":\#(stac.item)}}"#
  }
}
