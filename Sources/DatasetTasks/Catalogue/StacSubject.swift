internal import JobTypes
internal import TaskProtocol

/// What every STAC document of ours says, whatever the data is.
protocol StacSubject {
  var collectionID: String { get }
  var itemID: String { get }
  var title: String { get }
  var description: String { get }
  var license: String { get }
  var attribution: String { get }
  var keywords: [String] { get }
  var datetime: String { get }
  var datetimeSource: String { get }
  var sourceSHA256: String { get }
  var versions: LibraryVersions { get }
}

extension StacCatalogVectorsParameters: StacSubject {}
extension StacCatalogRasterParameters: StacSubject {}

extension StacSubject {
  var shownTitle: String { title.isEmpty ? collectionID : title }
  /// STAC wants a description that is not empty.
  var shownDescription: String { description.isEmpty ? shownTitle : description }
  var shownLicense: JSONValue { .string(license.isEmpty ? "other" : license) }

  /// - Parameter bbox: west, south, east, north; nil: the whole world.
  func collection(bbox: [Double]?) -> JSONValue {
    var document: [String: JSONValue] = [
      "type": "Collection", "stac_version": "1.1.0", "stac_extensions": [], "id": .string(collectionID),
      "title": .string(shownTitle), "description": .string(shownDescription), "license": shownLicense, "links": [],
      "extent": [
        "spatial": ["bbox": [.numbers(bbox ?? [-180, -90, 180, 90])]],
        "temporal": ["interval": [[.string(datetime), .null]]],
      ],
    ]
    if !keywords.isEmpty { document["keywords"] = .array(keywords.map(JSONValue.string)) }
    if !attribution.isEmpty {
      document["providers"] = [["name": .string(attribution), "roles": ["producer"]]]
    }
    return .object(document)
  }

  /// An item without geometry, properties of the data or assets.
  func item(extensions: [String], bbox: [Double]?) -> [String: JSONValue] {
    var document: [String: JSONValue] = [
      "type": "Feature", "stac_version": "1.1.0", "stac_extensions": .array(extensions.map(JSONValue.string)),
      "id": .string(itemID), "collection": .string(collectionID), "links": [],
    ]
    if let bbox { document["bbox"] = .numbers(bbox) }
    return document
  }

  /// The properties every item has.
  var commonProperties: [String: JSONValue] {
    [
      "datetime": .string(datetime), "terrane:datetime_source": .string(datetimeSource),
      "title": .string(shownTitle), "description": .string(shownDescription), "license": shownLicense,
      "terrane:source_sha256": .string(sourceSHA256),
      "terrane:software": [
        "gdal": .string(versions.gdal), "proj": .string(versions.proj), "geos": .string(versions.geos),
      ],
    ]
  }
}

extension JSONValue {
  static func numbers(_ values: [Double]) -> JSONValue { .array(values.map(JSONValue.number)) }
}
