internal import JobTypes

/// Parameters of an operation's first job: what the probe needs, and the subject the rest of the chain is planned from.
struct FirstParameters: Codable {
  private struct Wrapper: Codable { var chain: ChainSubject }

  var chain: ChainSubject

  init(_ chain: ChainSubject) { self.chain = chain }

  /// The probe's own members with `chain` beside them, which the probe does not read.
  func json() throws -> String {
    let parameters =
      switch chain.spec.type {
      case .vector: VectorChain(subject: chain, datasetPK: 0, build: 0, publicURL: "").probe()
      case .rasterCollection: CollectionChain(subject: chain, build: 0, publicURL: "").probe()
      case .mosaic: MosaicChain(subject: chain, build: 0, publicURL: "").probe()
      case .raster: RasterChain(subject: chain, build: 0, publicURL: "").probe()
      }
    let probe = try JSON.text(parameters)
    let rest = try JSON.text(Wrapper(chain: chain))
    return probe.dropLast() + "," + rest.dropFirst()
  }

  init(json: String) throws { chain = try JSON.decode(Wrapper.self, from: json).chain }
}
