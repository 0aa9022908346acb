import Foundation

/// DATA/run/endpoint.json: where a running server on this machine really listens.
public struct EndpointFile: Sendable, Equatable, Codable {
  /// host:port of the RPC listener.
  public var rpc: String
  public var dataAPI: String?
  public var publicURL: String?
  public var pid: Int32?
  public var version: String?
  /// Folders that sources may lie in.
  public var roots: [String]?
  /// The user the server runs as.
  public var user: String?

  enum CodingKeys: String, CodingKey {
    case rpc, pid, version, roots, user
    case dataAPI = "data_api"
    case publicURL = "public_url"
  }

  public static func path(in data: String) -> String { data + "/run/endpoint.json" }

  /// Nil: there is none, or it is not to be read.
  public init?(data: String) {
    guard let bytes = FileManager.default.contents(atPath: Self.path(in: data)),
      let decoded = try? JSONDecoder().decode(EndpointFile.self, from: bytes)
    else { return nil }
    self = decoded
  }

  /// Whether the process that wrote it lives; nil: unknown.
  public var isAlive: Bool? {
    guard let pid, pid > 0 else { return nil }
    return kill(pid, 0) == 0 || errno == EPERM
  }
}
