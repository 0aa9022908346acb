import CoreMachine
import JobTypes
import TaskProtocol
import Testing
@testable import Datasets

@Suite struct CollectionChainTests {
  let identity: DatasetIdentity
  let delegate = DatasetChain(
    publicURL: "http://data.test", secret: [1, 2, 3], replacedWindow: 600, filesRoot: "/files", largeRaster: 1_000)
  private let versions = LibraryVersions(gdal: "3", proj: "9", geos: "3")

  init() throws { identity = try DatasetIdentity(namespace: "city", datasetID: "d", resourceID: "r", versionID: "v") }

  private func subject(tolerant: Bool = false, collection: Bool = true) -> ChainSubject {
    ChainSubject(
      identity: identity,
      spec: DatasetSpec(
        raster: DatasetSpec.Raster(
          url: collection ? "file:///s/*.tif" : "file:///s/a.tif",
          files: collection ? DatasetSpec.Raster.Files(isTolerant: tolerant) : nil),
        metadata: DatasetSpec.Metadata(title: "Hills")),
      requestedAt: "2026-01-02T03:04:05Z")
  }

  private func chain(tolerant: Bool = false) -> CollectionChain {
    CollectionChain(subject: subject(tolerant: tolerant), build: 34, publicURL: "http://data.test")
  }

  private func raster(west: Double = 8, mean: Double = 500, width: Int = 200) -> RasterDescription {
    RasterDescription(
      width: width, height: 100,
      bands: [
        RasterBand(
          type: "float32", colour: "gray", nodata: nil, unit: "", description: "",
          statistics: RasterStatistics(
            minimum: mean - 300, maximum: mean + 300, mean: mean, standardDeviation: 100, validShare: 1))
      ], kind: "continuous", crs: "EPSG:25832", crsCode: "EPSG:25832", crsWKT: "", transform: [0, 10, 0, 0, 0, -10],
      bbox: [west, 49, west + 1, 50], footprint: [])
  }

  private func valid(_ raster: RasterDescription) -> ValidateRasterResult {
    ValidateRasterResult(raster: raster, emptyPixels: 0, sourceSHA256: "aa", versions: versions)
  }

  private func checked(_ id: String, _ raster: RasterDescription?) -> ValidateFileResult {
    guard let raster else {
      return ValidateFileResult(
        id: id, name: "\(id).tif", valid: nil, reason: "SOURCE_TRUNCATED", message: "it is cut off")
    }
    return ValidateFileResult(id: id, name: "\(id).tif", valid: valid(raster))
  }

  private func written(_ raster: RasterDescription, _ task: Int, window: RasterWindow? = nil) -> ProcessRasterResult {
    var result = ProcessRasterResult(
      file: "1/2/\(task)-1.tif", bytes: 10, sha256: "bb", raster: raster, compression: "deflate", isLossy: false,
      resampling: "average", overviews: 1)
    result.window = window
    return result
  }

  private func finished(_ type: String, _ results: [any Encodable], _ subject: ChainSubject) throws -> FinishedJob {
    FinishedJob(
      step: 1, type: type, parameters: type == JobType.probe ? try FirstParameters(subject).json() : "{}",
      results: try results.map { try JSON.text($0) })
  }

  private func next(_ jobs: [FinishedJob]) throws -> ChainStep {
    try delegate.next(
      after: try #require(jobs.last),
      of: OperationView(id: 34, subject: 12, kind: "create", state: .running, jobs: jobs))
  }

  private func probe(_ route: String, files: [CollectionFile]? = nil, pixels: Int64? = nil) -> ProbeResult {
    var result = ProbeResult(
      pin: SourcePin(size: 10, mtimeNs: 1, parts: []), driver: "GTiff", route: route, layers: [], allLayers: [],
      versions: versions, pixels: pixels, files: files)
    result.bytesPerPixel = pixels.map { _ in 4 }
    return result
  }

  @Test func theStepsOfACollectionInOrder() throws {
    let pin = SourcePin(size: 5, mtimeNs: 1, parts: [])
    let files = ["a", "b"].map { CollectionFile(id: $0, source: "file:///s/\($0).tif", pin: pin) }
    let subject = subject()
    let (left, right) = (raster(), raster(west: 9, mean: 700))
    let stac = StacCollectionResult(collection: #"{"id":"c"}"#, items: [#"{"id":"a"}"#, #"{"id":"b"}"#])
    let results: [(String, [any Encodable])] = [
      (JobType.probe, [probe("raster_collection", files: files)]),
      (JobType.validateRasters, [checked("a", left), checked("b", right)]),
      (JobType.processRasters, [written(left, 1), written(right, 2)]),
      (JobType.createMosaic, [CreateMosaicResult(width: 400, height: 100, overview: written(left, 3))]),
      (JobType.stacCatalogCollection, [stac]), (JobType.verify, [VerifyResult(checks: [])]),
    ]
    var jobs: [FinishedJob] = []
    var planned: [String] = [JobType.probe]
    for (type, values) in results {
      jobs.append(try finished(type, values, subject))
      let step = try next(jobs)
      #expect("\(step)" == "\(try next(jobs))", "planning is pure")
      if case .job(let job, _) = step { planned.append(job.type) }
    }
    #expect(planned == CollectionChain.steps && CollectionChain.weights.count == planned.count)
    guard case .publish = try next(jobs) else {
      Issue.record("verify is not the last step")
      return
    }
  }

  @Test func aFileThatCannotBeUsedFailsOrIsLeftOut() throws {
    let files = [checked("a", raster()), checked("b", nil), checked("c", raster(west: 9))]
    let problem = #expect(throws: ProblemReport.self) { try chain().usable(files) }
    #expect(problem?.reason == "FILES_REJECTED" && problem?.message.contains("b.tif") == true)
    #expect(problem?.details["file b.tif"]?.contains("SOURCE_TRUNCATED") == true)
    #expect(try chain(tolerant: true).usable(files).map(\.file.id) == ["a", "c"])
    // Nothing left is nothing to serve.
    #expect(throws: ProblemReport.self) { try chain(tolerant: true).usable([checked("b", nil)]) }
  }

  @Test func scenesHaveToAgree() throws {
    var others: [(RasterDescription, String)] = []
    var other = raster()
    other.bands.append(other.bands[0])
    others.append((other, "bands"))
    other = raster()
    other.bands[0].type = "uint8"
    others.append((other, "uint8"))
    other = raster()
    other.crs = "EPSG:25833"
    others.append((other, "EPSG:25833"))
    other = raster()
    other.transform[5] = -12.1
    others.append((other, "pixels"))
    for (other, word) in others {
      #expect(CollectionChain.difference(other, raster())?.contains(word) == true)
      let problem = #expect(throws: ProblemReport.self) {
        try chain().usable([checked("a", raster()), checked("b", other)])
      }
      #expect(problem?.reason == "COLLECTION_MISMATCH" && problem?.message.contains("b.tif") == true)
      // Files may be left out: those that are the fewer, wherever they come, and each is told of.
      let files = [checked("x", other), checked("a", raster()), checked("y", nil), checked("b", raster(west: 9))]
      let tolerant = chain(tolerant: true)
      #expect(try tolerant.usable(files).map(\.file.id) == ["a", "b"])
      let left = tolerant.mosaic([written(raster(), 1), written(raster(), 2)], filesRoot: "/f", checked: files).leftOut
      #expect(left?.map(\.name) == ["x.tif"] && left?[0].why.contains(word) == true)
    }
    other = raster()
    other.transform[5] = -11.9
    #expect(CollectionChain.difference(other, raster()) == nil, "a fifth is allowed")
  }

  @Test func scenesAreShownAlike() throws {
    let scenes = try chain().scenes(
      [checked("a", raster()), checked("b", raster(west: 9, mean: 700))],
      [written(raster(), 1), written(raster(west: 9, mean: 700), 2)])
    let shown = chain().catalog(scenes).common.rendering
    // Of both together: mean 600, deviation the root of 100² + 100².
    let range = try #require(shown.rescale?.first)
    #expect(
      abs(range[0] - (600 - 2 * 20_000.0.squareRoot())) < 1e-6
        && abs(range[1] - (600 + 2 * 20_000.0.squareRoot())) < 1e-6)
    #expect(chain().catalog(scenes).bbox == [8, 49, 10, 50])
    #expect(chain().catalog(scenes).common.collectionID == "city:d:r:v")
  }

  @Test func figuresAreOfAllScenes() throws {
    let scenes = try chain().scenes(
      [checked("a", raster()), checked("b", raster(west: 9, mean: 700))],
      [written(raster(), 1), written(raster(west: 9, mean: 700), 2)])
    let mosaic = CreateMosaicResult(width: 400, height: 100, overview: nil)
    func band(_ scenes: [CollectionChain.Scene]) -> DatasetResult.Band? {
      chain().result(probe("raster_collection"), scenes, mosaic).rasters?.first?.bands.first
    }
    let told = try #require(band(scenes)?.statistics)
    #expect(told.minimum == 200 && told.maximum == 1_000 && told.mean == 600)
    // Of some only is not of all.
    var some = scenes
    some[1].file.raster.bands[0].statistics = nil
    #expect(band(some) != nil && band(some)?.statistics == nil)
  }

  @Test func descriptionsThatHaveNoRoomAreRefusedBeforeAnythingIsWritten() throws {
    var long = raster()
    long.crsWKT = String(repeating: "x", count: 9_000)
    func after(_ count: Int) throws -> ChainStep {
      let files = (0..<count).map { checked("f\($0)", long) }
      let pin = SourcePin(size: 5, mtimeNs: 1, parts: [])
      let sources = files.map { CollectionFile(id: $0.id, source: "file:///s/\($0.id).tif", pin: pin) }
      return try next([
        try finished(JobType.probe, [probe("raster_collection", files: sources)], subject()),
        try finished(JobType.validateRasters, files, subject()),
      ])
    }
    guard case .job(let written, _) = try after(500) else {
      Issue.record("no next job")
      return
    }
    #expect(written.type == JobType.processRasters)
    #expect { try after(1_000) } throws: {
      ($0 as? ProblemReport)?.reason == "TOO_MANY_FILES"
    }
  }

  @Test(arguments: [
    ([[1.0, 0, 2, 1], [3, -1, 4, 0]], [1.0, -1, 4, 1]),
    ([[179, 0, -179, 1], [-179, 0, -178, 1]], [179, 0, -178, 1]),
    ([[170, 0, 180, 1], [179, 0, -170, 1]], [170, 0, -170, 1]),
    ([[-180, 0, 180, 1], [179, 0, -179, 1]], [-180, 0, 180, 1]),
  ]) func boxes(_ boxes: [[Double]], _ expected: [Double]) {
    #expect(CollectionChain.box(boxes) == expected)
  }

  @Test func whatTheProbeFindsTooLargeBecomesTiles() throws {
    let subject = subject(collection: false)
    func after(_ pixels: Int64) throws -> ChainStep {
      try next([try finished(JobType.probe, [probe("raster", pixels: pixels)], subject)])
    }
    guard case .job(let small, _) = try after(250), case .job(let large, _) = try after(251) else {
      Issue.record("no next job")
      return
    }
    // Four bytes a pixel, and a limit of a thousand.
    #expect(small.plan?.json.contains("process_raster\"") == true)
    #expect(large.plan?.json.contains("process_large_raster") == true)
    // What counts is what is to be written.
    var finer = probe("raster", pixels: 100)
    finer.writtenPixels = 251
    guard case .job(let fine, _) = try next([try finished(JobType.probe, [finer], subject)]) else {
      Issue.record("no next job")
      return
    }
    #expect(fine.plan?.json.contains("process_large_raster") == true)
    // A chain that was planned the one way goes on that way.
    let jobs = [
      try finished(JobType.probe, [probe("raster", pixels: 10)], subject),
      try finished(JobType.validateRaster, [valid(raster())], subject),
      try finished(
        JobType.processLargeRaster,
        [
          written(
            raster(), 1, window: RasterWindow(row: 0, column: 1, x: 8_192, y: 0, width: 200, height: 100))
        ], subject),
    ]
    guard case .job(let mosaic, _) = try next(jobs) else {
      Issue.record("no next job")
      return
    }
    #expect(mosaic.type == JobType.createMosaic)
    let scenes = try LargeRasterChain(subject: subject, build: 1, publicURL: "").scenes(
      valid(raster()), [try JSON.decode(ProcessRasterResult.self, from: jobs[2].results[0])])
    #expect(scenes.map(\.id) == ["r00_c01"])
  }
}
