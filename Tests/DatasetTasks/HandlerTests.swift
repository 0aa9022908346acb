import Foundation
import JobTypes
import TaskProtocol
import Testing

@testable import DatasetTasks

@Suite("Handlers") struct HandlerTests {
  @Test("probe pins the source and tells its layer")
  func probe() throws {
    let folder = try Folder()
    let source = try folder.write("Some Places.geojson", points(30)).split(separator: " ").joined(separator: "%20")
    let reports = Reports()
    let last = reports.run(try folder.assignment(JobType.probe, ProbeParameters(source: source)))
    guard case .completed(let text) = last else {
      Issue.record("\(last)")
      return
    }
    let result = try JSONText.decode(ProbeResult.self, from: text)
    #expect(result.layers.map(\.featureCount) == [30])
    #expect(result.layers[0].collectionID == "some_places")
    #expect(result.layers[0].geometryType == "MultiPoint" && result.layers[0].crs == "EPSG:4326")
    #expect(result.layers[0].columns.map(\.name) == ["n", "name"])
    #expect(result.pin.size > 0 && result.pin.parts.map(\.name) == ["Some Places.geojson"])
    #expect(result.versions.gdal.hasPrefix("3."))
    #expect(
      reports.all.contains {
        if case .warning(let w) = $0 { w.reason == "COLUMNS_RENAMED" && w.count == 1 } else { false }
      })
  }

  @Test("failures carry their reason and place")
  func failures() throws {
    let folder = try Folder()
    // One bad row is for the load to count; a table of bad rows has nothing to load.
    let source = try folder.write("b.csv", "id,lon,lat\n1,y,3\n2,x,4\n")
    let problem = Reports().problem(try folder.assignment(JobType.probe, ProbeParameters(source: source)))
    #expect(problem?.reason == "COORDINATES_INVALID" && problem?.feature == 1 && problem?.layer == "b")
    #expect(
      Reports().problem(try folder.assignment(JobType.probe, ProbeParameters(source: "file:///etc/passwd")))?.reason
        == "SOURCE_OUTSIDE_ROOTS")
    #expect(
      Reports().problem(try folder.assignment("no_such_job", ProbeParameters(source: source)))?.reason
        == "JOB_TYPE_UNKNOWN")
    #expect(Reports().problem(try folder.assignment(JobType.probe, ["nonsense": 1]))?.reason == "PARAMETERS_INVALID")
    var later = try folder.assignment(JobType.probe, ProbeParameters(source: source))
    later.handlerVersion = 99
    #expect(Reports().problem(later)?.reason == "JOB_TYPE_UNKNOWN")
  }

  @Test("a cancelled task stops at its next step")
  func cancelled() throws {
    let folder = try Folder()
    let reporter = TaskReporter { _ in }
    reporter.cancel()
    let assignment = try folder.assignment(
      JobType.probe, ProbeParameters(source: try folder.write("p.geojson", points(3))))
    guard case .failed(let problem) = TaskHandlers.run(TaskContext(assignment: assignment, reporter: reporter)) else {
      Issue.record("not stopped")
      return
    }
    #expect(problem.reason == "CANCELLED")
  }

  private func layer(_ id: String, bbox: [Double]?) -> IngestedLayer {
    IngestedLayer(
      name: id, table: "d1_b7_t0", collectionID: id, title: id, geometryType: "MultiPolygon",
      counts: IngestCounts(source: 5, read: 5, loaded: 5, withGeometry: 5), bbox: bbox,
      columns: [ColumnSchema(name: "n", sourceName: "N", sqlType: "int4", sourceType: "Integer")],
      sourceCRS: "EPSG:25832",
      seconds: [:])
  }

  private func stac(_ layers: [IngestedLayer]) throws -> (collection: [String: Any], item: [String: Any]) {
    let parameters = StacCatalogVectorsParameters(
      collectionID: "default:parcels:all", itemID: "v1", title: "", description: "", datetime: "2026-01-02T03:04:05Z",
      datetimeSource: "publish_time", endpoint: "http://h/api/data/parcels/all/v1", sourceSHA256: "00",
      versions: .current, layers: layers)
    let folder = try Folder()
    guard case .completed(let text) = Reports().run(try folder.assignment(JobType.stacCatalogVectors, parameters))
    else {
      throw CocoaError(.featureUnsupported)
    }
    let result = try JSONText.decode(StacCatalogResult.self, from: text)
    func object(_ text: String) throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }
    return (try object(result.collection), try object(result.item))
  }

  @Test("STAC documents hold what the specification asks for")
  func stacDocuments() throws {
    let (collection, item) = try stac([layer("a", bbox: [1, 2, 3, 4]), layer("b", bbox: [-5, 3, 2, 9])])
    #expect(collection["type"] as? String == "Collection" && collection["stac_version"] as? String == "1.1.0")
    #expect(collection["license"] as? String == "other")
    #expect((collection["description"] as? String)?.isEmpty == false)
    let spatial = (collection["extent"] as? [String: Any])?["spatial"] as? [String: Any]
    #expect(spatial?["bbox"] as? [[Double]] == [[-5, 2, 3, 9]])
    #expect(item["id"] as? String == "v1" && item["collection"] as? String == "default:parcels:all")
    #expect(item["bbox"] as? [Double] == [-5, 2, 3, 9])
    let properties = try #require(item["properties"] as? [String: Any])
    #expect(properties["datetime"] as? String == "2026-01-02T03:04:05Z")
    #expect(properties["terrane:datetime_source"] as? String == "publish_time")
    #expect(properties["table:row_count"] as? Int == 10)
    let assets = try #require(item["assets"] as? [String: [String: Any]])
    #expect(assets["features-a"]?["href"] as? String == "http://h/api/data/parcels/all/v1/collections/a/items")
    #expect(Set(assets.keys) == ["endpoint", "features-a", "features-b", "tiles-a", "tiles-b"])
  }

  @Test("a dataset of one point, or of none, has a footprint that is valid")
  func footprints() throws {
    let point = try stac([layer("a", bbox: [1, 2, 1, 2])]).item["geometry"] as? [String: Any]
    #expect(point?["type"] as? String == "Point")
    let line = try stac([layer("a", bbox: [1, 2, 1, 4])]).item["geometry"] as? [String: Any]
    #expect(line?["type"] as? String == "LineString")
    let none = try stac([layer("a", bbox: nil)]).item
    #expect(none["geometry"] is NSNull && none["bbox"] == nil)
  }
}

extension Reports {
  func problem(_ assignment: TaskAssignment) -> ProblemReport? {
    if case .failed(let problem) = run(assignment) { problem } else { nil }
  }
}

@Suite("Child process") struct ChildProcessTests {
  @Test("a probe in a child: progress, result, exit code 0")
  func probe() throws {
    let folder = try Folder()
    let child = try Child()
    try child.send(
      try folder.assignment(JobType.probe, ProbeParameters(source: try folder.write("p.geojson", points(30)))).line())
    let (reports, code) = try child.finish()
    #expect(code == 0)
    guard case .completed(let text)? = reports.last else {
      Issue.record("\(reports)")
      return
    }
    #expect(try JSONText.decode(ProbeResult.self, from: text).layers[0].featureCount == 30)
  }

  @Test("the end of the supervisor's pipe ends the child at once, whatever it does")
  func endOfPipe() throws {
    let folder = try Folder()
    // A large file keeps the child busy.
    let source = try folder.write("p.geojson", points(200_000))
    let child = try Child()
    try child.send(try folder.assignment(JobType.probe, ProbeParameters(source: source)).line())
    try child.commands.fileHandleForWriting.close()
    let (reports, code) = try child.finish()
    #expect(code == 3)
    #expect(!reports.contains { if case .completed = $0 { true } else { false } })
  }

  @Test("cancel ends the child within two seconds")
  func cancel() throws {
    let folder = try Folder()
    let source = try folder.write("p.geojson", points(200_000))
    let child = try Child()
    try child.send(try folder.assignment(JobType.probe, ProbeParameters(source: source)).line())
    try child.send(try SupervisorCommand.cancel.line())
    let start = ContinuousClock.now
    let (reports, code) = try child.finish()
    #expect(code == 3)
    #expect(ContinuousClock.now - start < .seconds(5), "two seconds, and slack for a busy machine")
    #expect(!reports.contains { if case .completed = $0 { true } else { false } })
  }

  @Test("an unreadable source is refused with the name of the user who could not read it")
  func unreadable() throws {
    let folder = try Folder()
    let source = try folder.write("p.geojson", points(3))
    try FileManager.default.setAttributes([.posixPermissions: 0o000], ofItemAtPath: folder.path + "/p.geojson")
    let isRoot = geteuid() == 0
    // Root may read everything: the child becomes nobody.
    let child =
      isRoot
      ? try Child(
        prefix: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], copy: folder.path + "/terrane-task")
      : try Child()
    try child.send(try folder.assignment(JobType.probe, ProbeParameters(source: source)).line())
    let (reports, code) = try child.finish()
    #expect(code == 1)
    guard case .failed(let problem)? = reports.last else {
      Issue.record("\(reports)")
      return
    }
    #expect(problem.reason == "SOURCE_UNREADABLE")
    #expect(problem.details["os_user"]?.isEmpty == false && problem.message.contains(problem.details["os_user"]!))
  }

  @Test("an assignment that cannot be read is refused")
  func nonsense() throws {
    let child = try Child()
    try child.send(Array("{\"nonsense\":1}\n".utf8))
    #expect(try child.finish().code == 2)
  }
}
