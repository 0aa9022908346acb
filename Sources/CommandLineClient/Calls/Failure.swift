import FramedRPC
public import ProtobufFacade
public import TerraneMessages

/// Why a command ended without its answer, whoever found it out: as text, as JSON, and as exit status.
public struct Failure: Error, Sendable, Equatable {
  public var status: ExitStatus
  /// gRPC's name of the code, or this program's own reason.
  public var code: String
  public var problem: Problem

  /// - Parameter target: the server spoken to, where one was found.
  public init(_ error: any Error, target: ServerTarget? = nil) {
    switch error {
    case let failure as Failure: self = failure
    case let error as CommandLineError: self.init(error)
    case let error as RPCError: self.init(error, target: target)
    case let error as RuntimeError: self.init(error, target: target)
    case is CancellationError: self.init(CommandLineError(.interrupted, "INTERRUPTED", "Interrupted."))
    default: self.init(CommandLineError(.unreachable, "INTERNAL", "\(error)"))
    }
  }

  private init(_ error: CommandLineError) {
    status = error.status
    code = error.reason
    problem = Problem(
      reason: error.reason, category: .request, message: error.message, userFixable: true, remedy: error.remedy)
  }

  private init(_ error: RPCError, target: ServerTarget?) {
    status = ExitStatus(error.code)
    code = Self.name(of: error.code)
    if let detail = error.details.first(where: { $0.typeURL.hasSuffix("/" + Problem.protobufName) }),
      let decoded = try? Problem(protobuf: detail.value)
    {
      problem = decoded
      return
    }
    let place = target.map { " (server \($0.address))" } ?? ""
    problem = Problem(reason: code, message: error.message + place, remedy: Self.remedy(error.code))
  }

  /// No connection. Which end is to blame shows in the kind.
  private init(_ error: RuntimeError, target: ServerTarget?) {
    let address = target?.address ?? "the address"
    switch error.kind {
    case .certificate:
      self.init(
        CommandLineError(
          .badRequest, "CREDENTIALS_INVALID", "The credentials cannot be used: \(error.message).",
          remedy: "Get new ones on the server's machine: terrane credentials issue YOUR-NAME --role editor"))
    case .handshake:
      self.init(
        CommandLineError(
          .unreachable, "HANDSHAKE_FAILED",
          "\(address) does not accept these credentials, or is no Terrane server: \(error.message).",
          remedy: """
            Check that \(target?.credentials ?? "--credentials") was issued by this server, that it has not run out, and that \
            the server's certificate has the name you used (terraned --tls-name NAME).
            """))
    default:
      let elsewhere = target.map { !$0.isLocal } ?? false
      self.init(
        CommandLineError(
          .unreachable, "SERVER_UNREACHABLE", "No server answers at \(address): \(Self.plainly(error.message)).",
          remedy: elsewhere
            ? "Check the address, and that the server listens there (terraned --listen)." : ServerLocator.startRemedy))
    }
  }

  /// The system's own words out of a dump of everything that was tried.
  private static func plainly(_ message: String) -> String {
    let known = ["Connection refused", "No route to host", "Network is unreachable", "Connection timed out"]
    return known.first(where: message.contains)?.lowercased() ?? message
  }

  /// `notFound` → `NOT_FOUND`
  static func name(of code: StatusCode) -> String {
    "\(code)".reduce(into: "") { name, character in
      if character.isUppercase { name += "_" }
      name += character.uppercased()
    }
  }

  private static func remedy(_ code: StatusCode) -> String {
    switch code {
    case .unavailable: "Try again shortly; `terrane health` tells what is missing."
    case .resourceExhausted: "Try again shortly."
    case .deadlineExceeded: "Wait longer with --timeout SECONDS; `terrane health` tells whether the server is well."
    case .unauthenticated, .permissionDenied:
      "Use credentials with a higher role: terrane credentials issue YOUR-NAME --role editor, on the server's machine."
    case .unimplemented: "The server is older than this program, or newer: compare with `terrane version`."
    default: ""
    }
  }

  /// With the name the user gave in place of the key, which is all the server has of a dataset that is not there.
  public func naming(_ subject: String) -> Failure {
    guard !subject.isEmpty, let key = problem.details["dataset_key"] else { return self }
    var named = self
    named.problem.message = problem.message.replacing("dataset with key \(key)", with: "dataset \(subject)")
    return named
  }

  /// For people, on standard error.
  /// - Parameter subject: what the command was about, as the user named it.
  public func text(columns: Int, endpoint: EndpointFile? = nil, subject: String = "") -> String {
    let heading = subject.isEmpty ? "ERROR" : "ERROR  " + TerminalText.sanitised(subject)
    return ProblemReport(columns: columns, endpoint: endpoint).text(problem, heading: heading)
  }

  /// For `--json`: `{"error":{"code":…,"exit_status":…,"problem":{…}}}`
  public var json: JSONValue {
    .object([
      .init(
        "error",
        .object([
          .init("code", .string(code)), .init("exit_status", JSONValue(status.rawValue)),
          .init("problem", problem.jsonObject()),
        ]))
    ])
  }
}
