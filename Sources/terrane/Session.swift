import ArgumentParser
import CommandLineClient
import FramedRPC
import ProtobufFacade
import TerraneMessages

/// A command's connection to the server: made when first needed, and anew when it broke.
actor Session {
  private let options: ConnectionOptions
  private var client: RPCClient?
  /// Where `client` leads.
  private(set) var target: ServerTarget?
  /// What the command is about, for errors that know it by its key only.
  private(set) var subject = ""

  init(_ options: ConnectionOptions) { self.options = options }

  /// Runs a command's body; prints what went wrong and turns it into the exit status.
  static func run(_ options: ConnectionOptions, _ body: (Session) async throws -> Void) async throws {
    let session = Session(options)
    do {
      try await body(session)
    } catch let code as ExitCode {
      await session.close()
      throw code
    } catch {
      let (target, subject) = (await session.target, await session.subject)
      await session.close()
      Self.report(
        Failure(error, target: target), json: options.output.json, endpoint: target?.endpoint, subject: subject)
      throw ExitCode(Failure(error, target: target).status.rawValue)
    }
    await session.close()
  }

  static func report(_ failure: Failure, json: Bool, endpoint: EndpointFile? = nil, subject: String = "") {
    let failure = failure.naming(subject)
    if json { Terminal.output.line(failure.json.text) }
    Terminal.errors.write(failure.text(columns: Terminal.errors.columns, endpoint: endpoint, subject: subject))
  }

  /// Parses what the user calls a dataset, and remembers it.
  func reference(_ text: String, namespace: String = "") throws -> DatasetReference {
    let parsed = try DatasetReference(text, namespace: namespace)
    subject = parsed.description
    return parsed
  }

  /// The server that is, or would be, spoken to.
  func located() throws -> ServerTarget {
    if let target { return target }
    let found = try options.locator.locate()
    target = found
    return found
  }

  /// A connection that can take calls. The server is looked up again for each new one: it may have moved to another port.
  func connection() async throws -> RPCClient {
    if let client, client.isUsable { return client }
    await client?.close()
    client = nil
    target = nil
    let made = try await anotherConnection()
    client = made
    return made
  }

  /// A connection of its own, which whoever asked for it closes.
  func anotherConnection() async throws -> RPCClient {
    let found = try located()
    var configuration = ClientConfiguration(
      host: found.host, port: found.port,
      tls: .client(
        certificateChainPath: found.hasToken ? nil : found.credentials + "/client.pem",
        privateKeyPath: found.hasToken ? nil : found.credentials + "/client.key",
        authorityPath: found.credentials + "/ca.pem"))
    configuration.unixSocket = found.socket
    if found.hasToken, found.socket == nil { configuration.token = { found.token } }
    configuration.connectTimeout = min(.seconds(10), options.answerTimeout)
    configuration.agent = "terrane/" + ClientVersion.current
    return try await RPCClient.connect(configuration)
  }

  /// One call. Every attempt carries the same request id, so trying again is safe; an attempt that the server did not start,
  /// or whose connection broke, is tried again, four times at most and within the timeout.
  func call<Response: Sendable>(
    _ body: @Sendable (RPCClient, CallOptions) async throws -> Response
  ) async throws -> Response {
    let start = ContinuousClock.now
    let requestID = (0..<16).map { _ in UInt8.random(in: 0 ... .max) }
    var pause = Duration.milliseconds(200)
    for attempt in 1... {
      let left = options.answerTimeout - (ContinuousClock.now - start)
      do {
        return try await body(connection(), CallOptions(timeout: max(left, .milliseconds(1)), requestID: requestID))
      } catch let error as RPCError where Self.isWorthAnother(error) {
        let wait = max(pause, error.retryAfter ?? .zero)
        guard attempt < 4, ContinuousClock.now - start + wait < options.answerTimeout else { throw error }
        try await Task.sleep(for: wait)
        pause = pause * 1.6
      }
    }
    throw CancellationError()
  }

  private static func isWorthAnother(_ error: RPCError) -> Bool {
    if let delay = error.retryAfter, delay < .zero { return false }
    return error.code == .unavailable || (error.code == .resourceExhausted && error.refused)
  }

  func close() async {
    await client?.close()
    client = nil
  }

  /// The whole record.
  func record(_ reference: DatasetReference, showDeleted: Bool = false) async throws -> Dataset {
    let request = GetDatasetRequest(dataset: reference.message, showDeleted: showDeleted)
    return try await call { try await DatasetServiceClient($0).getDataset(request, options: $1) }
  }
}

extension Terminal {
  /// An answer of the server, on one line.
  func json(_ message: some ProtobufMessage) { line(message.jsonObject().printed.text) }
}

extension Session {
  /// A dataset as text for this terminal.
  func report(_ dataset: Dataset) -> String {
    DatasetReport(
      columns: Terminal.output.columns, unicode: Terminal.isUnicode, endpoint: target?.endpoint,
      program: Invocation.program
    ).text(dataset)
  }

  /// Prints a record as this command line was asked to.
  func show(_ dataset: Dataset, json: Bool) {
    if json { Terminal.output.json(dataset) } else { Terminal.output.write(report(dataset)) }
  }
}
