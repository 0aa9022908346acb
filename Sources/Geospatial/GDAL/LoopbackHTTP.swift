internal import CGDAL

/// HTTP GET to a server on this machine, and to no other.
public enum LoopbackHTTP {
  /// What came back.
  public struct Response: Sendable {
    /// Nil when no answer came; `failure` says why. Below 400: the request was answered.
    public var body: [UInt8]
    /// libcurl's or the server's complaint, nil on success.
    public var failure: String?
  }

  /// The address is not one of this machine's loopback addresses.
  public struct NotLoopback: Error {}

  /// Fetches `url`.
  ///
  /// - Parameters:
  ///   - headers: name and value; neither may hold line breaks.
  ///   - timeout: seconds for the whole request.
  ///   - again: more is asked for after this: the connection stays open, as long as the process.
  public static func get(
    _ url: String, headers: [(String, String)], timeout: Int = 60, again: Bool = false
  ) throws(NotLoopback) -> Response {
    guard isLoopback(url), headers.allSatisfy({ !($0.0 + $0.1).contains(where: \.isNewline) }) else {
      throw NotLoopback()
    }
    let lines = headers.map { "\($0.0): \($0.1)" }.joined(separator: "\r\n")
    let options = StringList(
      [
        "TIMEOUT=\(timeout)", "CONNECTTIMEOUT=10", "MAX_RETRY=0", "MAX_FILE_SIZE=16777216", "HEADERS=\(lines)",
      ] + (again ? ["PERSISTENT=terrane"] : []))
    return ErrorCapture.during { errors in
      guard let result = CPLHTTPFetch(url, options.pointer) else {
        return Response(body: [], failure: errors.takeFailures().text(or: "no answer"))
      }
      defer { CPLHTTPDestroyResult(result) }
      let body = [UInt8](UnsafeBufferPointer(start: result.pointee.pabyData, count: Int(result.pointee.nDataLen)))
      let complaint = result.pointee.pszErrBuf.map { String(cString: $0) }
      return Response(body: body, failure: result.pointee.nStatus == 0 ? complaint : complaint ?? "no answer")
    }
  }

  private static func isLoopback(_ url: String) -> Bool {
    guard url.hasPrefix("http://") else { return false }
    let authority = url.dropFirst(7).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    guard !authority.contains("@") else { return false }
    let host = authority.hasPrefix("[") ? authority.prefix { $0 != "]" } + "]" : authority.prefix { $0 != ":" }
    return ["127.0.0.1", "localhost", "[::1]"].contains(String(host))
  }
}
