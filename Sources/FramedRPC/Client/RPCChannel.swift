internal import FramedCore
internal import FramedMessages
public import ProtobufFacade

/// Whatever calls methods: one connection (``RPCClient``), or a channel that connects as often as it must (``RPCChannel``).
/// Generated clients work with either.
public protocol RPCCaller: Sendable {
  /// One request, one response.
  func unary<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _ request: Request, _: Response.Type, options: CallOptions
  ) async throws(RPCError) -> Response

  /// A stream of any mode.
  func stream<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _ request: Request, _: Response.Type, options: CallOptions
  ) -> WatchStream<Response>
}

/// Calls methods of one server. Connects when first needed, and again when the connection is lost; sends calls again where that
/// is safe; goes on with streams where they were.
///
/// What is sent again: calls that the server refused, not having run them; and, when the connection is lost, calls of methods
/// that may be repeated. At most four attempts, within the call's timeout.
public final class RPCChannel: RPCCaller {
  private let connector: Connector
  private let budget = RetryBudget()

  public init(_ configuration: ClientConfiguration) {
    connector = Connector(configuration)
  }

  public func unary<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _ request: Request, _: Response.Type = Response.self,
    options: CallOptions = CallOptions()
  ) async throws(RPCError) -> Response {
    var options = options
    if options.requestID == nil, method.idempotency == .requestID {
      // One for all attempts: whichever takes effect, the others are answered with it.
      options.requestID = (0..<16).map { _ in UInt8.random(in: 0...UInt8.max) }
    }
    let deadline = (options.timeout ?? method.defaultTimeout).map { ContinuousClock.now + $0 }
    let bytes = request.protobufBytes()
    var retry = Retry(method, budget)
    while true {
      do throws(RPCError) {
        let client = try await connection()
        options.timeout = deadline.map { max($0 - .now, .milliseconds(1)) }
        let response: Response = try await client.unary(method, encoded: bytes, options: options)
        budget.succeeded()
        return response
      } catch {
        guard !Task.isCancelled, let wait = retry.after(error) else { throw error }
        if let deadline, ContinuousClock.now + wait >= deadline { throw error }
        options.attempt += 1
        do {
          try await Task.sleep(for: wait)
        } catch {
          throw RPCError(.cancelled, "cancelled")
        }
      }
    }
  }

  /// Goes on where it was when its connection is lost: values come once and in order. QUEUE and BLOCK streams whose server keeps
  /// no places are not opened again once something was shown.
  public func stream<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _ request: Request, _: Response.Type = Response.self,
    options: CallOptions = CallOptions()
  ) -> WatchStream<Response> {
    WatchStream(
      source: ResumingCall(channel: self, method: method, request: request.protobufBytes(), options: options),
      caller: self)
  }

  /// A connection that takes calls. Throws ``StatusCode/unavailable`` (refused) where there is none to be had.
  func connection() async throws(RPCError) -> RPCClient {
    do {
      return try await connector.connection()
    } catch let error as RPCError {
      throw error
    } catch {
      throw RPCError(.unavailable, "\(error)", refused: true)
    }
  }

  /// Cancels what is under way and closes the connection.
  public func close() async { await connector.close() }
}

/// The connection of a channel: one at a time, however many calls wait for it.
private actor Connector {
  private let configuration: ClientConfiguration
  private var current: RPCClient?
  private var connecting: Task<RPCClient, any Error>?
  private var isClosed = false

  init(_ configuration: ClientConfiguration) { self.configuration = configuration }

  func connection() async throws -> RPCClient {
    if isClosed { throw RPCError(.cancelled, "the channel is closed") }
    if let current, current.isUsable { return current }
    if let connecting { return try await connecting.value }
    let configuration = configuration
    let task = Task { try await RPCClient.connect(configuration) }
    connecting = task
    defer { connecting = nil }
    let made = try await task.value
    if isClosed {
      await made.close()
      throw RPCError(.cancelled, "the channel is closed")
    }
    current = made
    return made
  }

  func close() async {
    isClosed = true
    connecting?.cancel()
    await current?.close()
    current = nil
  }
}
