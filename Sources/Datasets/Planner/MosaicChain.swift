internal import JobTypes
internal import TaskProtocol

/// probe → mosaic_datasets → stac_catalog_collection → verify: datasets that are served already, as one mosaic. From the scenes on
/// it is what a collection is.
struct MosaicChain: Sendable {
  var collection: CollectionChain

  init(subject: ChainSubject, build: Int64, publicURL: String) {
    collection = CollectionChain(subject: subject, build: build, publicURL: publicURL)
  }

  static let steps = [JobType.probe, JobType.mosaicDatasets, JobType.stacCatalogCollection, JobType.verify]

  /// Shares of the whole chain's progress, in the order of `steps`.
  static let weights: [Double] = [2, 78, 8, 12]

  var members: [DatasetIdentity] { collection.subject.spec.raster?.members ?? [] }

  func probe() -> ProbeParameters { ProbeParameters(source: "", expects: "mosaic") }

  func combine(filesRoot: String) -> MosaicDatasetsParameters {
    MosaicDatasetsParameters(filesRoot: filesRoot, members: members.map(\.reference))
  }

  func scenes(_ found: MosaicDatasetsResult) -> [CollectionChain.Scene] {
    found.scenes.map { scene in
      let valid = ValidateRasterResult(
        raster: scene.file.raster, emptyPixels: scene.emptyPixels, sourceSHA256: scene.sourceSHA256,
        versions: scene.versions)
      return CollectionChain.Scene(id: scene.id, valid: valid, file: scene.file, member: scene)
    }
  }
}
