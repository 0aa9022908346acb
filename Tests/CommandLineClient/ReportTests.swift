import CommandLineClient
import FramedMessages
import FramedRPC
import ProtobufFacade
import TerraneMessages
import Testing

@Suite("What a dataset came to")
struct DatasetReportTests {
  let report = DatasetReport(columns: 120, unicode: true)

  @Test("READY: every URL a user pastes, the collections, and what was done to the data")
  func served() {
    #expect(
      report.text(ready) == """
        READY  demo/roads/v1  1,234,567 features in 2 collections  in 3 s

          Data           http://127.0.0.1:7480/api/data/demo/roads/v1
          QGIS           Layer > Add Layer > Add WFS / OGC API - Features Layer, New; URL:
                         http://127.0.0.1:7480/api/data/demo/roads/v1
          Browser        http://127.0.0.1:7480/api/data/demo/roads/v1/
          Vector tiles   http://127.0.0.1:7480/api/data/demo/roads/v1/collections/main/tiles/{z}/{x}/{y}
          STAC item      http://127.0.0.1:7480/stac/collections/default:demo:roads/items/v1

          Collections
            main   1,234,555 features  MultiLineString  3 columns
            rails  12 features         MultiLineString  2 columns
            columns: terrane get demo/roads/v1 --columns

          What was done to the data
            - read 1,234,579 features from GPKG
            - coordinates moved from EPSG:25832 to EPSG:4326
            - 12 features without geometry left out
            - 1 feature with geometry repaired
            - 1 column renamed: geom is now geom_1
            places: terrane log demo/roads/v1

        """)
    var clean = ready
    clean.warnings = []
    #expect(!report.text(clean).contains("terrane log"), "there are no places")
  }

  @Test("Columns: what is empty, ranges and frequent values; never 0 % of something, nor 100 % of less than all")
  func columns() {
    var dataset = ready
    dataset.result?.collections = [
      ServedCollection(
        id: "main", featureCount: 1000,
        columns: [
          Column(name: "lanes", type: "int4", nullCount: 1, minimum: "1", maximum: "8"),
          Column(
            name: "opened", sourceName: "OPENED", type: "date", nullCount: 999, minimum: "1999-01-01",
            maximum: "1999-01-01"),
          Column(
            name: "kind", type: "text", nullCount: 0,
            frequentValues: [
              FrequentValue(value: "path\u{1B}[2J", share: 0.996), FrequentValue(value: "road", share: 0.004),
            ]),
          Column(name: "note", type: "text", nullCount: 1000), Column(name: "old", type: "text"),
        ])
    ]
    #expect(
      ColumnsReport(columns: 120).text(dataset) == """
        main  1,000 features
          column  type  empty  values
          lanes   int4  <1%    1 … 8
          opened  date  99%    1999-01-01  (in the source: OPENED)
          kind    text  none   path\u{FFFD}[2J 99%, road <1%
          note    text  all
          old     text  ?


        """)
  }

  @Test("FAILED: reason, what, where, and what to do next")
  func failed() {
    let problem = Problem(
      reason: "CRS_MISSING", category: .data, message: "Neither source nor request names a CRS.", userFixable: true,
      remedy: "Ask again with --crs EPSG:code.", location: ProblemLocation(layer: "blocks", feature: 12, byte: 4096),
      details: ["layers": "blocks, lots"])
    let dataset = Dataset(datasetKey: key, name: name, status: .failed, state: .draft, problem: problem)
    #expect(
      report.text(dataset) == """
        FAILED  demo/roads/v1  CRS_MISSING

          What happened  Neither source nor request names a CRS.
          Where          layer blocks, feature 12, byte 4,096
          What to do     Ask again with --crs EPSG:code.
          layers         blocks, lots
          Next           terrane create demo/roads/v1 ... --watch (asked anew, with its options mended; replaces this try)

        """)
  }

  @Test(
    "What the request has wrong is not retried; what the source has wrong is",
    arguments: [
      ("CRS_INVALID", Problem.Category.request, false), ("OPTION_UNSUITABLE", .request, false),
      ("CRS_CONFLICT", .data, false), ("SOURCE_CORRUPT", .data, true), ("SOURCE_NOT_FOUND", .source, true),
    ])
  func retries(reason: String, category: Problem.Category, isRetried: Bool) {
    let problem = Problem(reason: reason, category: category, message: "So it is.", userFixable: true)
    var dataset = Dataset(datasetKey: key, name: name, status: .failed, state: .draft, problem: problem)
    #expect(report.text(dataset).contains("terrane retry") == isRetried)
    #expect(report.text(dataset).contains("terrane create demo/roads/v1 ... --watch"))
    dataset.warnings = [dropped]
    #expect(report.text(dataset).hasSuffix("  places: terrane log demo/roads/v1\n"))
    // Served, it keeps its request: another one is another version.
    var served = ready
    served.lastOperation = Operation(id: 8, state: .failed, problem: problem)
    #expect(report.text(served).contains("under another version id") != isRetried)
  }

  @Test("A failed update: what is served, why it is the older build, and what to do next")
  func failedUpdate() {
    let problem = Problem(
      reason: "SOURCE_NOT_FOUND", message: "/srv/roads.gpkg is not there.", remedy: "Put it back.")
    var dataset = ready
    dataset.operation = Operation(
      id: 8, state: .failed, startTime: ProtobufTimestamp(seconds: 2_000), endTime: ProtobufTimestamp(seconds: 2_001),
      problem: problem)
    dataset.lastOperation = dataset.operation
    let text = report.text(dataset)
    #expect(
      text.hasPrefix("READY  demo/roads/v1  1,234,567 features in 2 collections\n"), "no duration of the failure's")
    #expect(
      text.hasSuffix(
        """

          Last update    SOURCE_NOT_FOUND: /srv/roads.gpkg is not there; the older build is served on
                         Put it back.
          Next           terrane reprocess demo/roads/v1 --watch

        """), "\(text)")
    dataset.operation = Operation(id: 8, state: .cancelled)
    dataset.lastOperation = dataset.operation
    #expect(report.text(dataset).contains("Last update    cancelled; the older build is served on\n"))
  }

  @Test("A refused folder names those that are allowed, and how to allow more")
  func roots() throws {
    let folder = try Folder()
    try folder.endpoint("data", rpc: "127.0.0.1:1", pid: 1)
    let endpoint = EndpointFile(data: folder.path("data"))
    let problem = Problem(reason: "SOURCE_OUTSIDE_ROOTS", message: "/x is not under an allowed root.")
    let text = ProblemReport(columns: 120, endpoint: endpoint).text(problem, heading: "ERROR")
    #expect(text.contains("Allowed folders: /srv/files\n"))
    #expect(text.contains("make serve ROOT=DIR"))
    let unreadable = Problem(reason: "SOURCE_UNREADABLE", message: "Permission denied.")
    #expect(
      ProblemReport(columns: 120, endpoint: endpoint).text(unreadable, heading: "ERROR").contains(
        "runs as user terrane"))
  }

  @Test("Names from the data cannot steer the terminal")
  func hostile() {
    var dataset = ready
    dataset.result?.collections[0].id = "a\u{1B}]0;owned\u{07}"
    dataset.warnings[0].message = "\u{1B}[2J"
    dataset.name?.datasetID = "x\u{9B}y"
    #expect(!report.text(dataset).unicodeScalars.contains { $0.value == 0x1B || $0.value == 0x07 || $0.value == 0x9B })
  }

  @Test("Other states say what can be done")
  func others() {
    var dataset = Dataset(datasetKey: key, name: name, status: .cancelled, state: .draft)
    #expect(report.text(dataset).hasPrefix("CANCELLED  demo/roads/v1  nothing was published\n"))
    dataset.status = .deleted
    dataset.state = .deleted
    dataset.purgeTime = ProtobufTimestamp(seconds: 1_795_443_904)
    #expect(report.text(dataset).contains("2026-11-23 14:25 UTC"))
    #expect(report.text(dataset).contains("terrane undelete demo/roads/v1"))
    #expect(report.text(dataset).contains("  no longer served\n"))
    dataset.operation = Operation(id: 7, state: .cancelled, kind: .create)
    #expect(report.text(dataset).contains("  it was never served\n"))
    dataset.operation = Operation(id: 8, state: .failed, kind: .update)
    #expect(
      report.text(dataset).contains("  no longer served\n"), "an update failed: what it was to replace was served")
    dataset.state = .purged
    #expect(report.text(dataset) == "DELETED  demo/roads/v1  purged: nothing of it is left\n")
    let running = Dataset(loading(50))
    #expect(report.text(running).hasPrefix("PROCESSING  demo/roads/v1  [2/4] loading features: 50%"))
  }

  @Test("A raster says its size, where it is, and what was done to it; a mosaic what it is made of")
  func rasters() {
    func raster(scenes: Int32 = 0, tiles: String = "") -> Dataset {
      let served = ServedRaster(
        kind: "rgb", width: 1_400, height: 700, crs: "EPSG:25832", bytes: 22_230_000,
        bands: [
          RasterBand(type: "uint8", colour: "red", statistics: BandStatistics(minimum: 1, maximum: 2, mean: 1.5))
        ],
        downloadURL: scenes == 0 ? "http://t/data.tif" : "", sceneCount: scenes,
        scenesURL: scenes == 0 ? "" : "http://t/scenes", tileCacheURL: tiles, tileCacheMaxzoom: 7)
      let done = RasterTreatment(
        sourceWidth: 1_400, sourceHeight: 700, nodataShare: 0.25, compression: "jpeg", lossy: true,
        resampling: "average", overviews: 2)
      let result = DatasetResult(
        endpoint: "http://t", stacItemURL: "http://t/stac", treatment: Treatment(sourceCrs: "EPSG:4326", raster: done),
        rasters: [served])
      return Dataset(datasetKey: key, name: name, status: .ready, state: .published, result: result)
    }
    let one = report.text(raster())
    #expect(one.contains("1,400 x 700 pixels, 1 band, rgb") && one.contains("http://t/data.tif"))
    #expect(one.contains("red  uint8  1 to 2") && one.contains("25 % of them are nothing"))
    #expect(one.contains("moved from EPSG:4326 to EPSG:25832 (average)") && one.contains("values may differ a little"))
    #expect(!one.contains("Scenes") && !one.contains("Tiles drawn"))
    #expect(one.contains("  STAC item      http://t/stac\n") && one.contains("http://t/data.tif (21.2 MiB)"))
    #expect(
      ColumnsReport(columns: 100).text(raster()) == """
        Columns are of vectors; a raster has bands:
          1  red  uint8  1 to 2  mean 1.5

        """)
    var mosaic = raster(scenes: 12, tiles: "http://t/tiles.mbtiles")
    mosaic.spec = DatasetSpec(
      type: .mosaic,
      source: .mosaic(
        MosaicSource(datasets: (1...12).map { DatasetName(datasetID: "d\($0)", resourceID: "r", versionID: "v\u{1B}") })
      ))
    let many = report.text(mosaic)
    #expect(many.contains("12 scenes, 1,400 x 700") && many.contains("http://t/tiles.mbtiles (zoom 0 to 7)"))
    #expect(many.contains("made of d1/r/v") && many.contains("and 2 more;") && many.contains("pixel was copied"))
    #expect(!many.contains("compressed") && !many.contains("\u{1B}"))
    #expect(many.contains("  STAC items     http://t/stac\n"), "a list of them")
    #expect(
      many.contains("  Scenes         http://t/scenes\n") && many.contains("  Files          21.2 MiB in 12 scenes\n"))
    mosaic.warnings = [WarningCount(reason: "FILE_REJECTED", count: 2, message: "files were left out")]
    #expect(report.text(mosaic).contains("files were left out\n    places: terrane log demo/roads/v1\n"))
    let list = ListReport(columns: 120).text([raster(), mosaic])
    #expect(list.contains("1,400 x 700\n") && list.contains("1,400 x 700, 12 scenes\n"))
  }

  @Test("A list is a table")
  func list() {
    var failed = Dataset(datasetKey: key, name: name, status: .failed, problem: Problem(reason: "CRS_MISSING"))
    failed.spec = DatasetSpec(metadata: Metadata(title: "Roads"))
    #expect(
      ListReport(columns: 120).text([ready, failed]) == """
        NAME           STATUS              SIZE                CREATED (UTC)  TITLE
        demo/roads/v1  ready               1,234,567 features
        demo/roads/v1  failed CRS_MISSING                                     Roads

        """)
  }

  @Test("A log has each reason with its places, and says how many more there are")
  func log() {
    let places = [
      LogPlace(layer: "roads", feature: 12, detail: "made valid"), LogPlace(layer: "roads", detail: "a\u{1B}[31m"),
    ]
    let text = LogReport(columns: 100).text([
      LogEntry(
        reason: "GEOMETRY_REPAIRED", count: 1_202, message: "geometries made valid", step: "ingest_vector",
        places: places),
      LogEntry(reason: "CRS_ASSUMED", count: 1, message: "EPSG:4326 assumed", step: "probe"),
    ])
    #expect(text.contains("1,202 × GEOMETRY_REPAIRED: geometries made valid (ingest_vector)\n"))
    #expect(text.contains("roads  feature 12  made valid\n"))
    #expect(text.contains("… and 1,200 more\n") && text.contains("1 × CRS_ASSUMED"))
    #expect(!text.contains("\u{1B}"), "what a file holds cannot steer a terminal")
  }

  @Test("An empty log says that the data is as it was only where it is")
  func nothing() {
    func said(_ change: (inout Dataset) -> Void) -> String {
      let served = ServedRaster(width: 40, height: 30, crs: "EPSG:25832")
      let treatment = Treatment(
        sourceCrs: "EPSG:25832", raster: RasterTreatment(sourceWidth: 40, sourceHeight: 30, compression: "deflate"))
      var dataset = Dataset(
        status: .ready, state: .published, result: DatasetResult(treatment: treatment, rasters: [served]))
      change(&dataset)
      return LogReport.nothing(of: dataset, name: "demo/heights/v1", program: "terrane")
    }
    let same = "Nothing is noted: the data is as it was."
    let written = "Nothing is noted beside how it was written (terrane get demo/heights/v1)."
    #expect(said { _ in } == same, "compressed, but without loss")
    #expect(said { $0.result?.treatment?.raster?.lossy = true } == written)
    #expect(said { $0.result?.treatment?.sourceCrs = "EPSG:4326" } == written)
    #expect(said { $0.result?.treatment?.raster?.sourceWidth = 80 } == written)
    #expect(said { $0.spec = DatasetSpec(rasterOptions: RasterOptions(resolution: 2)) } == written)
    #expect(
      said { $0.spec = DatasetSpec(type: .mosaic, source: .mosaic(MosaicSource())) }.contains("no pixel was copied"))
    #expect(said { $0.result = nil }.contains("nothing of it is served"))
    func vector(_ crs: String) -> String {
      said { $0.result = DatasetResult(crs: "EPSG:4326", treatment: Treatment(sourceCrs: crs)) }
    }
    #expect(vector("EPSG:4326") == same && vector("EPSG:25832") == written)
  }

  @Test("A scan that found nothing, and one that did")
  func scan() {
    #expect(
      ListReport(columns: 80).text(ScanResponse(ledgerRows: 12, things: 9)) == """
        Compared 12 ledger rows with 9 things that exist.
        0 exist, and no ledger row says why.
        0 are in the ledger and do not exist.

        """)
    let found = ScanResponse(missing: [ScanFinding(kind: "table", identifier: "data.d1_b2_t0", detail: "LIVE")])
    #expect(ListReport(columns: 80).text(found).contains("do not exist:\n    table  data.d1_b2_t0  LIVE\n"))
  }
}

@Suite("Exit status and errors")
struct FailureTests {
  @Test("Every status of a dataset has its number, and only ends have one")
  func statuses() {
    #expect(ExitStatus(Status.ready)?.rawValue == 0)
    #expect(ExitStatus(Status.failed)?.rawValue == 1)
    #expect(ExitStatus(Status.cancelled)?.rawValue == 1)
    #expect(ExitStatus(Status.inputRequired)?.rawValue == 5)
    for status in [Status.unspecified, .requested, .provisioning, .processing, .unrecognized(99)] {
      #expect(ExitStatus(status) == nil)
    }
  }

  @Test("Every code of a call has its number")
  func codes() {
    #expect(ExitStatus(StatusCode.invalidArgument).rawValue == 2)
    #expect(ExitStatus(StatusCode.failedPrecondition).rawValue == 2)
    #expect(ExitStatus(StatusCode.permissionDenied).rawValue == 2)
    #expect(ExitStatus(StatusCode.unavailable).rawValue == 3)
    #expect(ExitStatus(StatusCode.deadlineExceeded).rawValue == 3)
    #expect(ExitStatus(StatusCode.notFound).rawValue == 4)
    #expect(ExitStatus(StatusCode.alreadyExists).rawValue == 4)
    #expect(StatusCode.allCases.filter { ExitStatus($0) == .ok } == [.ok])
    #expect(ExitStatus.interrupted.rawValue == 130)
  }

  @Test("The server's problem is what is shown, in text and in JSON")
  func problem() {
    let problem = Problem(
      reason: "DATASET_EXISTS", category: .state, message: "It exists with another request.", userFixable: true,
      remedy: "Choose another version.", details: ["fields": "spec.vector.layer"])
    let detail = ErrorDetail(typeURL: "type.terrane/terrane.v1.Problem", value: problem.protobufBytes())
    let failure = Failure(RPCError(.alreadyExists, "exists", details: [detail]))
    #expect(failure.status == .notFoundOrExists)
    #expect(failure.problem == problem)
    #expect(
      failure.text(columns: 80) == """
        ERROR  DATASET_EXISTS

          What happened  It exists with another request.
          What to do     Choose another version.
          fields         spec.vector.layer

        """)
    #expect(failure.json["error"]?["code"] == .string("ALREADY_EXISTS"))
    #expect(failure.json["error"]?["exit_status"] == .integer(4))
    #expect(failure.json["error"]?["problem"]?["reason"] == .string("DATASET_EXISTS"))
    #expect(!failure.json.text.contains("\n"))
  }

  @Test("What is not there is told by the name that was typed")
  func names() {
    let problem = Problem(
      reason: "DATASET_NOT_FOUND", message: "there is no dataset with key \(key)", details: ["dataset_key": key])
    let detail = ErrorDetail(typeURL: "type.terrane/terrane.v1.Problem", value: problem.protobufBytes())
    let failure = Failure(RPCError(.notFound, "gone", details: [detail]))
    #expect(failure.naming("u/nosuch/v1").problem.message == "there is no dataset u/nosuch/v1")
    #expect(failure.naming("u/nosuch/v1").problem.details == ["dataset_key": key])
    #expect(failure.naming("") == failure, "no command was about it")
  }

  @Test("Without a problem the code speaks, and a damaged one is not believed")
  func bare() {
    let bare = Failure(RPCError(.deadlineExceeded, "too late"))
    #expect(bare.problem.reason == "DEADLINE_EXCEEDED" && bare.problem.remedy.contains("--timeout"))
    let damaged = ErrorDetail(typeURL: "type.terrane/terrane.v1.Problem", value: [0xFF, 0xFF])
    #expect(Failure(RPCError(.notFound, "gone", details: [damaged])).problem.message == "gone")
  }

  @Test("No connection is unreachable, bad credentials are the caller's")
  func connections() {
    let refused = Failure(RuntimeError(.connect, "Failure(target: [IPv4]::1, error: Connection refused) (errno: 111))"))
    #expect(refused.status == .unreachable)
    #expect(refused.problem.message == "No server answers at the address: connection refused.")
    #expect(Failure(RuntimeError(.handshake, "unknown ca")).status == .unreachable)
    #expect(Failure(RuntimeError(.certificate, "no key")).status == .badRequest)
  }
}
