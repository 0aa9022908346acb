import ArgumentParser
import CommandLineClient
import Foundation
import FramedMessages
import ProtobufFacade
import TerraneMessages

struct CreateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Make a dataset from a file, or a mosaic of datasets.",
    discussion: """
      EXAMPLES
        \(Invocation.program) create demo/roads/v1 --source roads.gpkg --layer main --watch
        \(Invocation.program) create demo/blocks/v1 --source blocks.zip --crs EPSG:4269
        \(Invocation.program) create demo/stations/v1 --source stations.csv --lon x --lat y
        \(Invocation.program) create demo/heights/v1 --source dem.tif --target-crs EPSG:3857 --watch
        \(Invocation.program) create demo/ortho/v1 --source 'tiles/*.tif' --watch
        \(Invocation.program) create demo/all/v1 --member demo/north/v1 --member demo/south/v1

      Formats: GeoPackage, GeoJSON, Shapefile (zipped, or the .shp with its \
      siblings), CSV with coordinates, KML, FlatGeobuf, zipped File Geodatabase; \
      GeoTIFF for rasters.

      The server answers at once and goes on by itself; --watch stays until the \
      data is served.
      """)

  @Argument(help: ArgumentHelp("The dataset's name.", valueName: "id/resource/version"))
  var name: String

  @Option(
    help:
      "vector, raster, raster-collection or mosaic (default: by the name of the file; a pattern or several files are a collection)."
  )
  var type: String?

  @Option(
    name: .customLong("source"),
    help: ArgumentHelp(
      "The file, on the server's machine, under an allowed folder; of a raster collection a pattern in quotes, or repeated.",
      valueName: "file"))
  var sources: [String] = []

  @Option(
    name: .customLong("member"),
    help: ArgumentHelp(
      "Instead of files: a raster that is served already, for a mosaic; repeat, the uppermost first.",
      valueName: "dataset"))
  var members: [String] = []

  @Option(help: "One layer of the file (default: all).")
  var layer: String?

  @Option(help: ArgumentHelp("The coordinate reference system of a source that names none.", valueName: "EPSG:code"))
  var crs: String?

  @Option(help: "The text encoding of a source that does not say, such as ISO-8859-1.")
  var encoding: String?

  @Option(help: ArgumentHelp("CSV: the column with longitudes.", valueName: "column"))
  var lon: String?

  @Option(help: ArgumentHelp("CSV: the column with latitudes.", valueName: "column"))
  var lat: String?

  @Option(help: ArgumentHelp("CSV: the column with geometries as WKT.", valueName: "column"))
  var wkt: String?

  @Option(help: "What the dataset is called where it is shown.")
  var title: String?

  @Option(help: "What it is, in a few sentences.")
  var description: String?

  @Option(help: "Whom to name as its source.")
  var attribution: String?

  @Option(help: ArgumentHelp("Its license.", valueName: "SPDX-id"))
  var license: String?

  @Option(name: .customLong("keyword"), help: "A keyword; repeat for several.")
  var keywords: [String] = []

  @Option(help: ArgumentHelp("The time the data speaks of (default: that of publishing).", valueName: "RFC-3339"))
  var datetime: String?

  @Option(help: ArgumentHelp("Features without geometry: drop (default), keep or fail.", valueName: "rule"))
  var nullGeometry: String?

  @Option(
    help: ArgumentHelp("Records that may be unreadable before the dataset fails (default 0).", valueName: "count"))
  var maxRejects: Int64?

  @OptionGroup(title: "Raster options") var raster: RasterArguments

  @Option(help: "The namespace (default: default).")
  var namespace: String?

  @Flag(help: "Stay and show progress until the data is served.")
  var watch = false

  @OptionGroup var connection: ConnectionOptions

  func validate() throws {
    if let type, type.lowercased() == "mosaic", members.isEmpty {
      throw ValidationError("A mosaic is made of datasets: --member NAME for each. Files make a raster-collection.")
    }
    if sources.isEmpty, members.isEmpty {
      throw ValidationError("Name a file with --source, or datasets with --member.")
    }
    if !sources.isEmpty, !members.isEmpty { throw ValidationError("Give --source or --member, not both.") }
    if (lon == nil) != (lat == nil) { throw ValidationError("--lon and --lat belong together.") }
    if lon != nil, wkt != nil { throw ValidationError("Give --lon and --lat, or --wkt, not both.") }
    if let maxRejects, maxRejects < 0 { throw ValidationError("--max-rejects takes a number from 0.") }
  }

  func run() async throws {
    try await Session.run(connection) { session in
      let reference = try await session.reference(name, namespace: namespace ?? "")
      guard case .name(let request) = reference.message.by else {
        throw CommandLineError(
          .badRequest, "INVALID_ID", "A new dataset needs a name, not a key.", remedy: "Name it ID/RESOURCE/VERSION.")
      }
      let locations = try sources.map {
        try SourceLocation(
          $0, from: FileManager.default.currentDirectoryPath, home: ProcessInfo.processInfo.environment["HOME"])
      }
      let spec =
        members.isEmpty
        ? try spec(locations.map(\.url)) : try mosaic(members.map { try DatasetReference($0) }.map(\.message))
      let create = CreateDatasetRequest(name: request, spec: spec)
      if !isPattern, try await session.located().isLocal { for location in locations { try location.requireFile() } }
      let response = try await session.call { try await DatasetServiceClient($0).createDataset(create, options: $1) }
      try await show(response, reference, session)
    }
  }

  private func show(_ response: CreateDatasetResponse, _ reference: DatasetReference, _ session: Session) async throws {
    guard let dataset = response.dataset else {
      throw CommandLineError(.unreachable, "INTERNAL", "The server's answer has no dataset in it.")
    }
    let known = ExitStatus(dataset.status)
    if connection.output.json {
      Terminal.output.json(response)
    } else if response.created || known == nil {
      let what = response.created ? "ACCEPTED" : "UNDER WAY ALREADY, with the same request"
      Terminal.output.line("\(what)  \(reference)  key \(dataset.datasetKey)")
      if !watch { Terminal.output.line("  Watch it with  \(Invocation.program) watch \(reference)") }
    } else {
      Terminal.output.line("EXISTS ALREADY, from the same request; nothing was started.")
      if !watch || known != .ok { Terminal.output.write(await session.report(dataset)) }
    }
    if !connection.output.json {
      for notice in response.notices {
        Terminal.output.line(TerminalText.sanitised("! \(notice.message) (\(notice.reason))"))
        if !notice.remedy.isEmpty { Terminal.output.line(TerminalText.sanitised("  \(notice.remedy)")) }
      }
    }
    if watch {
      try await Watching(session: session, reference: .key(dataset.datasetKey), options: connection, shown: reference)
        .run(after: nil, connected: true)
    } else if let known, known != .ok {
      throw ExitCode(known.rawValue)
    }
  }

  /// Wildcards in the last part of a raster's path, unless a file is really called that.
  private var isPattern: Bool {
    guard sources.count == 1, (sources[0].split(separator: "/").last ?? "").contains(where: { "*?[".contains($0) })
    else {
      return false
    }
    let isRaster = type.map { $0.lowercased().hasPrefix("raster") } ?? RasterArguments.isRaster(sources[0])
    return isRaster && !FileManager.default.fileExists(atPath: sources[0])
  }

  private func spec(_ urls: [String]) throws -> DatasetSpec {
    let url = urls[0]
    let isCollection = urls.count > 1 || isPattern
    let asked = type ?? (isCollection ? "raster_collection" : RasterArguments.isRaster(url) ? "raster" : "vector")
    guard let type = DatasetType(jsonName: asked.lowercased().replacing("-", with: "_")), type != .unspecified else {
      let known = DatasetType.knownCases.dropFirst().compactMap(\.jsonName).joined(separator: ", ")
      throw CommandLineError(
        .badRequest, "DATASET_TYPE_UNSUPPORTED", "There is no dataset type \"\(asked)\".", remedy: "Types: \(known).")
    }
    var spec = DatasetSpec(type: type)
    if type == .raster, isPattern {
      throw CommandLineError(
        .badRequest, "INVALID_ARGUMENT", "A pattern is for a raster collection.",
        remedy: "Leave --type out, or name one file.")
    }
    if type != .rasterCollection {
      guard urls.count == 1 else {
        throw CommandLineError(
          .badRequest, "INVALID_ARGUMENT", "Only a raster collection has several sources.",
          remedy: "Leave --type out, or make a dataset of each.")
      }
      try refuse(raster.tolerant ? ["--tolerant"] : [], for: "one file")
    }
    if type == .rasterCollection {
      try refuse(vectorOnly, for: "a raster collection")
      spec.source = .rasterCollection(
        RasterCollectionSource(
          pattern: isPattern ? RasterArguments.pattern(url) : "", urls: isPattern ? [] : urls, crs: crs ?? "",
          policy: raster.tolerant ? .tolerant : .unspecified))
      spec.rasterOptions = try raster.message()
    } else if type == .raster {
      try refuse(vectorOnly, for: "a raster")
      spec.source = .raster(RasterSource(url: url, crs: crs ?? ""))
      spec.rasterOptions = try raster.message()
    } else {
      try refuse(raster.given, for: "vectors")
      var vector = VectorSource(url: url, layer: layer ?? "", crs: crs ?? "", encoding: encoding ?? "")
      if lon != nil || wkt != nil {
        vector.csv = CsvColumns(longitude: lon ?? "", latitude: lat ?? "", wkt: wkt ?? "")
      }
      spec.source = .vector(vector)
      spec.vectorOptions = try vectorOptions()
    }
    spec.metadata = try metadata()
    return spec
  }

  /// Of datasets rather than files.
  private func mosaic(_ references: [DatasetRef]) throws -> DatasetSpec {
    if let type, type.lowercased() != "mosaic" {
      throw CommandLineError(
        .badRequest, "INVALID_ARGUMENT", "Datasets make a mosaic, not a \"\(type)\".", remedy: "Leave --type out.")
    }
    try refuse(vectorOnly + (crs == nil ? [] : ["--crs"]) + (raster.tolerant ? ["--tolerant"] : []), for: "a mosaic")
    let names = try references.map { reference in
      guard case .name(let name)? = reference.by else {
        throw CommandLineError(
          .badRequest, "INVALID_ID", "--member takes a name, not a key.", remedy: "Name it ID/RESOURCE/VERSION.")
      }
      return name
    }
    var spec = DatasetSpec(type: .mosaic, source: .mosaic(MosaicSource(datasets: names)))
    spec.rasterOptions = try raster.message()
    spec.metadata = try metadata()
    return spec
  }

  private func metadata() throws -> Metadata? {
    let time = try datetime.map { text throws(CommandLineError) in
      try ProtobufTimestamp(option: "--datetime", text)
    }
    let metadata = Metadata(
      title: title ?? "", description: description ?? "", attribution: attribution ?? "", license: license ?? "",
      keywords: keywords, datetime: time)
    return metadata == Metadata() ? nil : metadata
  }

  /// The options given that only vectors have.
  private var vectorOnly: [String] {
    [
      ("--layer", layer), ("--encoding", encoding), ("--lon", lon), ("--lat", lat), ("--wkt", wkt),
      ("--null-geometry", nullGeometry), ("--max-rejects", maxRejects.map { "\($0)" }),
    ].compactMap { $0.1 == nil ? nil : $0.0 }
  }

  private func refuse(_ options: [String], for what: String) throws {
    guard let first = options.first else { return }
    throw CommandLineError(
      .badRequest, "INVALID_ARGUMENT", "\(first) is no option of \(what).",
      remedy: "Leave it out, or name the type of the dataset with --type.")
  }

  private func vectorOptions() throws -> VectorOptions? {
    guard nullGeometry != nil || maxRejects != nil else { return nil }
    let rule = VectorOptions.NullGeometry(jsonName: nullGeometry?.lowercased() ?? "unspecified")
    guard let rule else {
      throw CommandLineError(
        .badRequest, "INVALID_ARGUMENT", "--null-geometry is drop, keep or fail, not \"\(nullGeometry ?? "")\".")
    }
    return VectorOptions(nullGeometry: rule, maxRejects: maxRejects ?? 0)
  }
}
