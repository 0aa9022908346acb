public import Datasets
public import JobTypes

/// Results that tasks could have given.
public enum MadeUp {
  public static let versions = LibraryVersions(gdal: "3.6.2", proj: "9.1.1", geos: "3.11.1")

  public static func probe(
    layers: Int = 1, pin: SourcePin = SourcePin(size: 10, mtimeNs: 20, parts: [])
  ) -> ProbeResult {
    let found = (0..<layers).map { index in
      ProbedLayer(
        name: "layer \(index)", collectionID: "layer_\(index)", featureCount: 3, geometryType: "MultiPolygon",
        crs: "EPSG:25832", crsOrigin: "source",
        columns: [ColumnSchema(name: "name", sourceName: "Name", sqlType: "text", sourceType: "String")])
    }
    return ProbeResult(
      pin: pin, driver: "GPKG", route: "vector", layers: found, allLayers: found.map(\.name), versions: versions)
  }

  public static func ingest(_ parameters: IngestVectorParameters) -> IngestVectorResult {
    IngestVectorResult(
      sourceSHA256: String(repeating: "ab", count: 32),
      layers: parameters.layers.enumerated().map { index, layer in
        IngestedLayer(
          name: layer.layer.name, table: layer.table, collectionID: layer.layer.collectionID, title: layer.title,
          geometryType: layer.layer.geometryType,
          counts: IngestCounts(
            source: 4, read: 4, loaded: 3, withGeometry: 3, dropped: ["NULL_GEOMETRY": 1], repaired: 2,
            renamedColumns: 1),
          bbox: [Double(index), 50, Double(index) + 1, 51], columns: layer.layer.columns, sourceCRS: layer.layer.crs,
          seconds: ["load": 0.1])
      }, versions: versions, storedBytes: 8_192)
  }

  public static func stac(_ identity: DatasetIdentity) -> StacCatalogResult {
    StacCatalogResult(
      collection: """
        {"type":"Collection","stac_version":"1.0.0","id":"\(identity.stacCollection)","description":"made up",
         "license":"other","links":[],"extent":{"spatial":{"bbox":[[0,50,1,51]]},
         "temporal":{"interval":[["2026-01-02T03:04:05Z",null]]}}}
        """,
      item: """
        {"type":"Feature","stac_version":"1.0.0","id":"\(identity.stacItem)","collection":"\(identity.stacCollection)",
         "geometry":{"type":"Polygon","coordinates":[[[0,50],[1,50],[1,51],[0,51],[0,50]]]},"bbox":[0,50,1,51],
         "properties":{"datetime":"2026-01-02T03:04:05Z","terrane:datetime_source":"publish_time"},"links":[],"assets":{}}
        """)
  }
}
