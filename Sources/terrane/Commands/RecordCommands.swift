import ArgumentParser
import CommandLineClient
import ProtobufFacade
import TerraneMessages

struct GetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get", abstract: "Show a dataset: its state, its URLs, and what was done to the data.",
    discussion: """
      EXAMPLES
        \(Invocation.program) get demo/roads/v1
        \(Invocation.program) get demo/roads/v1 --columns
        \(Invocation.program) get demo/roads/v1 --json | jq -r .result.endpoint
      """)

  @Argument(help: ArgumentHelp("The dataset.", valueName: "dataset"))
  var name: String

  @Flag(help: "Show the columns instead: types, what is empty, ranges, frequent values. Of a raster its bands.")
  var columns = false

  @Flag(help: "Also answer for a dataset that was purged.")
  var showDeleted = false

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let dataset = try await session.record(try await session.reference(name), showDeleted: showDeleted)
      if columns, !connection.output.json {
        // A pipe gets whole lines; a terminal gets what fits.
        let width = Terminal.output.isInteractive ? Terminal.output.columns : 10_000
        Terminal.output.write(ColumnsReport(columns: width).text(dataset))
      } else {
        await session.show(dataset, json: connection.output.json)
      }
    }
  }
}

struct LogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log", abstract: "Show what was done to the data or lost from it, and where.",
    discussion: """
      EXAMPLES
        \(Invocation.program) log demo/roads/v1
        \(Invocation.program) log demo/roads/v1 --reason GEOMETRY_REPAIRED --json | jq '.places[].feature'
        \(Invocation.program) log demo/roads/v1 --reason RECORD_REJECTED --csv > rejects.csv
      """)

  @Argument(help: ArgumentHelp("The dataset.", valueName: "dataset"))
  var name: String

  @Option(help: "Only this reason, such as GEOMETRY_REPAIRED.")
  var reason: String?

  @Flag(help: "As a table for other programs: reason, step, layer, feature, detail; up to 1,000 places of each reason.")
  var csv = false

  @OptionGroup var connection: ConnectionOptions

  func validate() throws {
    if csv, connection.output.json { throw ValidationError("--csv and --json exclude each other.") }
  }

  func run() async throws {
    try await Session.run(connection) { session in
      let reference = try await session.reference(name)
      let request = GetLogRequest(dataset: reference.message, reason: reason?.uppercased() ?? "")
      let entries = try await session.call { try await DatasetServiceClient($0).getLog(request, options: $1) }.entries
      if csv {
        Terminal.output.write(LogReport.csv(entries))
      } else if connection.output.json {
        for entry in entries { Terminal.output.json(entry) }
      } else if entries.isEmpty {
        guard reason == nil else { return Terminal.errors.line("Nothing is noted for that reason.") }
        Terminal.errors.line(
          LogReport.nothing(
            of: try await session.record(reference), name: reference.description, program: Invocation.program))
      } else {
        let columns = Terminal.output.isInteractive ? Terminal.output.columns : 10_000
        // Who names a reason wants all of it.
        Terminal.output.write(LogReport(columns: columns, places: reason == nil ? 20 : 1_000).text(entries))
      }
    }
  }
}

struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List datasets, newest first.",
    discussion: """
      EXAMPLES
        \(Invocation.program) list
        \(Invocation.program) list --status failed
        \(Invocation.program) list --json | jq -r .name.dataset_id
      """)

  @Option(help: "Only this namespace (default: all that you may read).")
  var namespace: String?

  @Option(help: ArgumentHelp("Only datasets with this id.", valueName: "id"))
  var id: String?

  @Option(name: .customLong("status"), help: "Only this status, such as ready or failed; repeat for several.")
  var statuses: [String] = []

  @Flag(help: "Deleted datasets too.")
  var showDeleted = false

  @Option(help: ArgumentHelp("At most this many (default: all).", valueName: "count"))
  var limit: Int?

  @OptionGroup var connection: ConnectionOptions

  func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit takes a number from 1.") }
  }

  func run() async throws {
    try await Session.run(connection) { session in
      var request = ListDatasetsRequest(
        namespace: namespace ?? "", statuses: try statuses.map(Self.status), datasetID: id ?? "",
        showDeleted: showDeleted)
      var datasets: [Dataset] = []
      var left = limit ?? .max
      repeat {
        request.pageSize = Int32(min(left, 500))
        let page = request
        let answer = try await session.call { try await DatasetServiceClient($0).listDatasets(page, options: $1) }
        if connection.output.json {
          for dataset in answer.datasets.prefix(left) { Terminal.output.json(dataset) }
        } else {
          datasets += answer.datasets.prefix(left)
        }
        left -= min(left, answer.datasets.count)
        request.pageToken = answer.nextPageToken
      } while !request.pageToken.isEmpty && left > 0
      if !connection.output.json { show(datasets) }
    }
  }

  private func show(_ datasets: [Dataset]) {
    guard !datasets.isEmpty else {
      Terminal.errors.line(
        "There are no datasets\(namespace == nil && id == nil && statuses.isEmpty ? " yet" : " like that"). "
          + "Make one: \(Invocation.program) create ID/RESOURCE/VERSION --source FILE --watch")
      return
    }
    // A pipe gets whole lines; a terminal gets what fits.
    let columns = Terminal.output.isInteractive ? Terminal.output.columns : 10_000
    Terminal.output.write(ListReport(columns: columns).text(datasets))
  }

  private static func status(_ word: String) throws -> Status {
    let folded = word.lowercased().replacing("-", with: "_").replacing(" ", with: "_")
    guard let status = Status(jsonName: folded), status != .unspecified else {
      let known = Status.knownCases.dropFirst().compactMap(\.jsonName).joined(separator: ", ")
      throw CommandLineError(
        .badRequest, "INVALID_ARGUMENT", "There is no status \"\(TerminalText.sanitised(word))\".",
        remedy: "Statuses: \(known).")
    }
    return status
  }
}
