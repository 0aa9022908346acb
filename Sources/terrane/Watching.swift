import ArgumentParser
import CommandLineClient
import FramedRPC
import ProtobufFacade
import Synchronization
import TerraneMessages

/// Watches a dataset to its end and prints what it comes to.
struct Watching {
  let session: Session
  let reference: DatasetReference
  let options: ConnectionOptions
  var follow = false
  /// As the user named it.
  let shown: DatasetReference
  /// Whose end this is about; nil: of the update that is seen under way, if one is.
  var operation: Int64?

  /// - Parameter connected: the server has answered this command already.
  /// - Throws: `ExitCode` for every end but READY.
  func run(after position: WatchPosition?, connected: Bool) async throws {
    let screen = WatchScreen(json: options.output.json)
    let name = shown.description
    let json = options.output.json
    let last = Last()
    Interrupt.onInterrupt {
      screen.finish()
      let isOver = last.status.withLock { $0?.status.isTerminal ?? false }
      var lines = ["  Come back with  \(Invocation.program) watch \(name)"]
      if !isOver {
        lines.insert("\(name) goes on without you.", at: 0)
        lines.append("  Stop it with    \(Invocation.program) cancel \(name)")
      }
      Terminal.errors.write(lines.map { $0 + "\n" }.joined())
    }
    let ticker = Task {
      while !Task.isCancelled {
        screen.tick()
        try? await Task.sleep(for: .milliseconds(100))
      }
    }
    defer { ticker.cancel() }
    let (session, follow, message) = (session, follow, reference.message)
    do {
      try await WatchFollower(patience: options.patience).run(
        from: position, connected: connected,
        open: { from, receive in
          var call = CallOptions()
          call.resume = from.map { Resume(epoch: $0.epoch, afterSeq: $0.seq) }
          let request = WatchStatusRequest(dataset: message, follow: follow)
          let stream = DatasetServiceClient(try await session.connection()).watchStatus(request, options: call)
          for try await event in stream { try receive(event) }
        },
        receive: { event in
          if json { Terminal.output.line(event.json.text) }
          if event.removed {
            throw CommandLineError(.notFoundOrExists, "DATASET_NOT_FOUND", "\(name) does not exist any more.")
          }
          guard let status = event.message else { return }
          last.status.withLock { $0 = status }
          if status.status == .updating { last.update.withLock { $0 = status.operation?.id } }
          if !json { screen.show(status, report: follow) }
        },
        notice: { screen.say($0) })
    } catch {
      screen.finish()
      throw error
    }
    screen.finish()
    Interrupt.onInterrupt(nil)
    try await conclude(last.status.withLock { $0 }, update: operation ?? last.update.withLock { $0 })
  }

  /// The stream has no columns in it, and a watch resumed at its end has nothing at all: the record has both.
  private func conclude(_ last: DatasetStatus?, update: Int64?) async throws {
    let dataset: Dataset
    if let last, options.output.json {
      dataset = Dataset(last)
    } else {
      do {
        dataset = try await session.record(reference, showDeleted: true)
      } catch {
        guard let last else { throw error }
        dataset = Dataset(last)
      }
    }
    if !options.output.json { Terminal.output.write(await session.report(dataset)) }
    let status = ExitStatus(dataset.status) ?? .ok
    if status != .ok { throw ExitCode(status.rawValue) }
    // The older build is served on; what was waited for has failed all the same.
    if let update, dataset.operation?.id == update, [.failed, .cancelled].contains(dataset.operation?.state) {
      throw ExitCode(ExitStatus.datasetFailed.rawValue)
    }
  }
}

/// The newest status of a watch, which Ctrl-C asks for too.
private final class Last: Sendable {
  let status = Mutex<DatasetStatus?>(nil)
  /// The update that was seen under way.
  let update = Mutex<Int64?>(nil)
}

/// What a watch draws. Its lock keeps the bar, its ticker and Ctrl-C from writing into each other.
final class WatchScreen: Sendable {
  private let display: Mutex<WatchDisplay>
  private let json: Bool

  init(json: Bool) {
    self.json = json
    let terminal = Terminal.output
    display = Mutex(
      WatchDisplay(
        style: terminal.isInteractive && !json ? .bar(columns: terminal.columns) : .lines, unicode: Terminal.isUnicode))
  }

  /// - Parameter report: also prints what a finished operation came to: for watches that go on.
  func show(_ status: DatasetStatus, report: Bool) {
    let isEnd = ExitStatus(status.status) != nil && status.status != .updating
    write { display in
      display.update(status, at: .now)
        + (report && isEnd
          ? display.interject(
            DatasetReport(
              columns: Terminal.output.columns, unicode: Terminal.isUnicode, program: Invocation.program
            ).text(Dataset(status))) : "")
    }
  }

  func tick() { write { $0.tick(at: .now) } }

  func finish() { write { $0.finish() } }

  func say(_ notice: WatchFollower.Notice) {
    let text =
      switch notice {
      case .lost(let reason, let patience):
        "The server went away (\(TerminalText.sanitised(reason))). Trying again for \(Quantity.duration(patience / .seconds(1)))."
      case .resumed: "The server is back."
      }
    if json {
      Terminal.errors.line(text)
    } else {
      write { $0.interject(text) }
    }
  }

  private func write(_ body: (inout WatchDisplay) -> String) {
    display.withLock { display in
      if case .bar = display.style { display.style = .bar(columns: Terminal.output.columns) }
      let text = body(&display)
      if !text.isEmpty { Terminal.output.write(text) }
    }
  }
}
