import CoreMachine
import DatasetsTesting
import JobTypes
import TaskProtocol
import Testing
@testable import Datasets

@Suite struct RasterChainTests {
  let identity: DatasetIdentity
  let subject: ChainSubject
  let delegate = DatasetChain(publicURL: "http://data.test", secret: [1, 2, 3], replacedWindow: 600)

  init() throws {
    identity = try DatasetIdentity(namespace: "city", datasetID: "d", resourceID: "r", versionID: "v")
    subject = Self.subject(identity)
  }

  private static func subject(
    _ identity: DatasetIdentity, _ options: DatasetSpec.Raster.Options = DatasetSpec.Raster.Options()
  ) -> ChainSubject {
    ChainSubject(
      identity: identity,
      spec: DatasetSpec(
        raster: DatasetSpec.Raster(url: "file:///a.tif", options: options),
        metadata: DatasetSpec.Metadata(title: "Hills")),
      requestedAt: "2026-01-02T03:04:05Z")
  }

  private func raster(_ kind: String, _ bands: [RasterBand]) -> RasterDescription {
    RasterDescription(
      width: 200, height: 100, bands: bands, kind: kind, crs: "EPSG:25832", crsCode: "EPSG:25832", crsWKT: "",
      transform: [0, 10, 0, 0, 0, -10], bbox: [8, 49, 9, 50],
      footprint: [[[8, 49], [9, 49], [9, 50], [8, 50], [8, 49]]])
  }

  private func band(_ type: String = "float32", _ colour: String = "gray") -> RasterBand {
    RasterBand(
      type: type, colour: colour, nodata: nil, unit: "", description: "",
      statistics: RasterStatistics(minimum: 0, maximum: 1_000, mean: 500, standardDeviation: 100, validShare: 0.5))
  }

  private func planned(to last: String, _ subject: ChainSubject, kind: String = "elevation") throws -> [FinishedJob] {
    let described = raster(kind, [band()])
    let versions = LibraryVersions(gdal: "3", proj: "9", geos: "3")
    let probe = ProbeResult(
      pin: SourcePin(size: 10, mtimeNs: 1, parts: []), driver: "GTiff", route: "raster", layers: [], allLayers: [],
      versions: versions, pixels: 20_000)
    let valid = ValidateRasterResult(
      raster: described, emptyPixels: 10_000, sourceSHA256: String(repeating: "a", count: 64), versions: versions)
    let file = ProcessRasterResult(
      file: "12/34/56-1.tif", bytes: 99, sha256: String(repeating: "b", count: 64), raster: described,
      compression: "lerc", isLossy: true, resampling: "average", overviews: 2)
    let stac = StacCatalogResult(collection: #"{"id":"c"}"#, item: #"{"id":"v","collection":"c"}"#)
    let results: [(String, any Encodable & Sendable)] = [
      (JobType.probe, probe), (JobType.validateRaster, valid), (JobType.processRaster, file),
      (JobType.stacCatalogRaster, stac), (JobType.verify, VerifyResult(checks: [])),
    ]
    let end = try #require(results.firstIndex { $0.0 == last })
    return try results[...end].enumerated().map { index, pair in
      FinishedJob(
        step: index + 1, type: pair.0, parameters: index == 0 ? try FirstParameters(subject).json() : "{}",
        results: [try JSON.text(pair.1)])
    }
  }

  private func next(after last: String, _ subject: ChainSubject? = nil) throws -> ChainStep {
    let jobs = try planned(to: last, subject ?? self.subject)
    return try delegate.next(
      after: try #require(jobs.last),
      of: OperationView(id: 34, subject: 12, kind: "create", state: .running, jobs: jobs))
  }

  @Test func theStepsInOrder() throws {
    var types = [JobType.probe]
    while case .job(let job, _) = try next(after: try #require(types.last)) { types.append(job.type) }
    #expect(types == RasterChain.steps && RasterChain.weights.count == types.count)
    guard case .publish(let effects) = try next(after: JobType.verify) else {
      Issue.record("verify is not the last step")
      return
    }
    #expect(effects.map(\.statement) == ["datasets.publish", "datasets.ledger_live", "datasets.replace"])
  }

  @Test(arguments: RasterChain.steps) func planningIsPure(_ type: String) throws {
    let once = try next(after: type)
    for _ in 0..<3 { #expect("\(try next(after: type))" == "\(once)") }
  }

  @Test func theProbeReadsItAsARaster() throws {
    let parameters = try JSON.decode(ProbeParameters.self, from: FirstParameters(subject).json())
    #expect(parameters.expects == "raster" && parameters.source == "file:///a.tif")
  }

  @Test func whatIsNoRasterIsRefused() throws {
    var jobs = try planned(to: JobType.probe, subject)
    var probe = try JSON.decode(ProbeResult.self, from: jobs[0].results[0])
    probe.route = "vector"
    jobs[0].results = [try JSON.text(probe)]
    let operation = OperationView(id: 34, subject: 12, kind: "create", state: .running, jobs: jobs)
    #expect(throws: ProblemReport.self) { try delegate.next(after: jobs[0], of: operation) }
  }

  @Test func theRequestGoesIntoTheSteps() throws {
    let options = DatasetSpec.Raster.Options(
      targetCRS: "EPSG:3857", resolution: 30, resampling: "mode", compression: "lzw", generateStatistics: false,
      buildOverviews: false, colormap: "magma", rescale: [[1, 2]])
    let asked = Self.subject(identity, options)
    guard case .job(let process, _) = try next(after: JobType.validateRaster, asked),
      case .job(let catalog, _) = try next(after: JobType.processRaster, asked)
    else {
      Issue.record("no next job")
      return
    }
    let writing = try JSON.decode(ProcessRasterParameters.self, from: process.parameters).writing
    #expect(
      writing
        == RasterWriting(
          targetCRS: "EPSG:3857", resolution: 30, resampling: "mode", compression: "lzw", overviews: false))
    let described = try JSON.decode(StacCatalogRasterParameters.self, from: catalog.parameters)
    #expect(described.rendering == RasterRendering(bands: [1], rescale: [[1, 2]], colormap: "magma"))
    #expect(described.file.raster.bands.allSatisfy { $0.statistics == nil })
  }

  @Test func whatIsPublishedSaysWhereTheFileIs() throws {
    let chain = RasterChain(subject: subject, build: 34, publicURL: "http://data.test")
    let jobs = try planned(to: JobType.stacCatalogRaster, subject)
    let json = try chain.publication(
      JSON.decode(ProcessRasterResult.self, from: jobs[2].results[0]),
      JSON.decode(StacCatalogResult.self, from: jobs[3].results[0])
    ).json()
    struct Told: Decodable {
      struct Raster: Decodable {
        var file: String
        var details: Details
      }
      struct Details: Decodable { var rendering: RasterRendering }
      var kind: String
      var rasters: [Raster]
    }
    let told: Told = try JSON.decode(Told.self, from: json)
    #expect(told.kind == "raster" && told.rasters.map(\.file) == ["12/34/56-1.tif"])
    // Two deviations around the mean, within the values there are.
    #expect(
      told.rasters[0].details.rendering == RasterRendering(bands: [1], rescale: [[300, 700]], colormap: "terrain"))
  }

  @Test func aRasterIsShownByWhatItIs() {
    func shown(_ kind: String, _ bands: [RasterBand]) -> RasterRendering { RasterRendering(raster(kind, bands)) }
    let bytes = ["red", "green", "blue"].map { band("uint8", $0) }
    #expect(shown("rgb", bytes) == RasterRendering(bands: [1, 2, 3], rescale: nil, colormap: nil))
    #expect(shown("rgba", bytes + [band("uint8", "alpha")]).bands == [1, 2, 3])
    #expect(
      shown("categorical", [band("uint8", "palette")]) == RasterRendering(bands: [1], rescale: nil, colormap: nil))
    #expect(
      shown("categorical", [band("uint16")]) == RasterRendering(bands: [1], rescale: [[0, 1_000]], colormap: "tab20"))
    var classes = band("uint16")
    classes.classes = [1, 2, 255]
    let coloured = shown("categorical", [classes])
    #expect(coloured.colours == [[1, 31, 119, 180], [2, 174, 199, 232], [255, 255, 127, 14]])
    // Whoever asks for a map or a range gets that.
    #expect(coloured.asked(.init(colormap: "magma"), bands: 1).colours == nil)
    #expect(coloured.asked(.init(rescale: [[0, 9]]), bands: 1).colours == nil)
    #expect(shown("continuous", [band("uint8")]) == RasterRendering(bands: [1], rescale: nil, colormap: nil))
    let spectral = shown("continuous", (0..<5).map { _ in band("uint16", "undefined") })
    #expect(spectral.bands == [1, 2, 3] && spectral.rescale?.count == 5 && spectral.colormap == nil)
    let swapped = shown("continuous", [band("uint16", "blue"), band("uint16", "green"), band("uint16", "red")])
    #expect(swapped.bands == [3, 2, 1])
    var flat = band()
    flat.statistics = RasterStatistics(minimum: 7, maximum: 7, mean: 7, standardDeviation: 0, validShare: 1)
    #expect(shown("continuous", [flat]).rescale == [[7, 8]])
  }
}
