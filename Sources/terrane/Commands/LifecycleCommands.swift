import ArgumentParser
import CommandLineClient
import ProtobufFacade
import TerraneMessages

struct CancelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel", abstract: "End what is running for a dataset; nothing of it is published.")

  @Argument(help: ArgumentHelp("The dataset.", valueName: "dataset"))
  var name: String

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let request = CancelDatasetRequest(dataset: try await session.reference(name).message)
      let dataset = try await session.call { try await DatasetServiceClient($0).cancelDataset(request, options: $1) }
      await session.show(dataset, json: connection.output.json)
    }
  }
}

struct RetryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retry", abstract: "Run a failed or cancelled create again, with the same request.",
    discussion: "With other options, run create again instead: it replaces the failed try.")

  @Argument(help: ArgumentHelp("The dataset.", valueName: "dataset"))
  var name: String

  @Flag(help: "Stay and show progress until the data is served.")
  var watch = false

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let reference = try await session.reference(name)
      let request = RetryDatasetRequest(dataset: reference.message)
      let dataset = try await session.call { try await DatasetServiceClient($0).retryDataset(request, options: $1) }
      if connection.output.json || !watch { await session.show(dataset, json: connection.output.json) }
      guard watch else { return }
      try await Watching(session: session, reference: .key(dataset.datasetKey), options: connection, shown: reference)
        .run(after: nil, connected: true)
    }
  }
}

struct ReprocessCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reprocess", abstract: "Build a served dataset anew, of its source as it is now.",
    discussion: """
      The request is the same; the data may have changed. What is served now is \
      served until the new build replaces it, and stays where that fails.
      """)

  @Argument(help: ArgumentHelp("The dataset.", valueName: "dataset"))
  var name: String

  @Flag(help: "Stay and show progress until the new data is served.")
  var watch = false

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let reference = try await session.reference(name)
      let request = ReprocessDatasetRequest(dataset: reference.message)
      let dataset = try await session.call { try await DatasetServiceClient($0).reprocessDataset(request, options: $1) }
      if connection.output.json || !watch { await session.show(dataset, json: connection.output.json) }
      guard watch else { return }
      try await Watching(
        session: session, reference: .key(dataset.datasetKey), options: connection, shown: reference,
        operation: dataset.operation?.id
      ).run(after: nil, connected: true)
    }
  }
}

struct DeleteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Stop serving a dataset; with --purge, remove it for good.",
    discussion: """
      EXAMPLES
        \(Invocation.program) delete demo/roads/v1 --dry-run    shows, changes nothing
        \(Invocation.program) delete demo/roads/v1              undelete brings it back
        \(Invocation.program) delete demo/roads/v1 --purge      tables and files too
      """)

  @Argument(help: ArgumentHelp("The dataset.", valueName: "dataset"))
  var name: String

  @Flag(help: "Remove its tables and files too, and wait until they are gone.")
  var purge = false

  @Flag(help: "Change nothing; show what a purge would remove.")
  var dryRun = false

  @Flag(help: "Also where mosaics are made of it; they go on serving its files, which no purge removes before theirs.")
  var force = false

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let reference = try await session.reference(name)
      let answer =
        purge && !dryRun
        ? try await removal(reference, session).run() : try await ask(reference, session, dryRun: dryRun)
      if connection.output.json {
        Terminal.output.json(answer)
      } else if dryRun {
        Terminal.output.write(DryRunReport(name: reference.description, purge: purge).text(answer))
      } else if let dataset = answer.dataset {
        Terminal.output.write(await session.report(dataset))
      }
    }
  }

  private func ask(_ reference: DatasetReference, _ session: Session, dryRun: Bool) async throws
    -> DeleteDatasetResponse
  {
    let request = DeleteDatasetRequest(dataset: reference.message, validateOnly: dryRun, force: force)
    return try await session.call { try await DatasetServiceClient($0).deleteDataset(request, options: $1) }
  }

  private func removal(_ reference: DatasetReference, _ session: Session) -> Removal {
    let timeout = connection.answerTimeout
    return Removal(
      name: reference.description, preview: { try await ask(reference, session, dryRun: true) },
      delete: { try await ask(reference, session, dryRun: false) },
      purge: { try await Purging(session: session, timeout: timeout).run(.key($0)) })
  }
}

struct UndeleteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "undelete", abstract: "Bring a deleted dataset back as it was published.")

  @Argument(help: ArgumentHelp("The dataset.", valueName: "dataset"))
  var name: String

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let request = UndeleteDatasetRequest(dataset: try await session.reference(name).message)
      let dataset = try await session.call { try await DatasetServiceClient($0).undeleteDataset(request, options: $1) }
      await session.show(dataset, json: connection.output.json)
    }
  }
}

struct PurgeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "purge", abstract: "Remove a deleted dataset for good, and wait until it is gone.",
    discussion: "The dataset must be deleted first; `delete --purge` does both.")

  @Argument(help: ArgumentHelp("The dataset.", valueName: "dataset"))
  var name: String

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let dataset = try await Purging(session: session, timeout: connection.answerTimeout).run(
        try await session.reference(name))
      await session.show(dataset, json: connection.output.json)
    }
  }
}

/// Asks for a purge and waits for its end, as long as one waits for an answer: the server goes on with it in any case.
struct Purging {
  let session: Session
  let timeout: Duration

  func run(_ reference: DatasetReference) async throws -> Dataset {
    let start = ContinuousClock.now
    let request = PurgeDatasetRequest(dataset: reference.message)
    var dataset = try await session.call { try await DatasetServiceClient($0).purgeDataset(request, options: $1) }
    let generation = dataset.generation
    var pause = Duration.milliseconds(50)
    while dataset.state == .purging, ContinuousClock.now - start < timeout {
      try await Task.sleep(for: pause)
      pause = min(pause * 1.5, .seconds(1))
      let next = try await session.record(.key(dataset.datasetKey), showDeleted: true)
      // Somebody made a new one under the name: ours is out of sight, and its purge goes on.
      guard next.generation == generation else { break }
      dataset = next
    }
    if dataset.state == .purging {
      Terminal.errors.line("The server is still removing it; that goes on by itself.")
    }
    return dataset
  }
}
