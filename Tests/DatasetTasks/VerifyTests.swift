import Foundation
import JobTypes
import TaskProtocol
import Testing

@testable import DatasetTasks

/// A data API that knows one preview, as a program of its own on any free port of loopback.
private final class PreviewServer {
  private let process = Process()
  let url: String

  init(_ folder: Folder, answer: String) throws {
    let script = """
      import http.server, socketserver, sys
      ANSWER = open(sys.argv[1], "rb").read()
      class Handler(http.server.BaseHTTPRequestHandler):
          def do_GET(self):
              known = self.headers.get("X-Terrane-Preview") == "c0ffee" and \\
                  self.path == "/api/data/d/r/v/collections/p%20q/items?limit=1"
              self.send_response(200 if known else 404)
              self.send_header("Content-Type", "application/geo+json")
              self.end_headers()
              self.wfile.write(ANSWER if known else b"{}")
          def log_message(self, *arguments): pass
      server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
      print(server.server_address[1], flush=True)
      server.serve_forever()
      """
    try folder.write("server.py", script)
    try folder.write("answer.json", answer)
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", folder.path + "/server.py", folder.path + "/answer.json"]
    process.standardOutput = output
    try process.run()
    let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    url = "http://127.0.0.1:\(line.filter(\.isNumber))"
  }

  deinit {
    // Not SIGTERM: a child started from a dispatch thread inherits that thread's blocked signals.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }
}

@Suite("Verify") struct VerifyTests {
  private static func answer(count: Int, properties: String = "{\"n\":1,\"name\":\"a\"}") -> String {
    """
    {"type":"FeatureCollection","numberMatched":\(count),"numberReturned":1,"features":[{"type":"Feature","id":1,
    "geometry":{"type":"MultiPoint","coordinates":[[1,2]]},"properties":\(properties)}]}
    """
  }

  private func run(_ answer: String, token: String = "c0ffee", url: String? = nil) throws -> TaskReport {
    let folder = try Folder()
    let server = try PreviewServer(folder, answer: answer)
    let parameters = VerifyParameters(
      collections: [
        VerifyCollection(
          id: "p q", schema: "data", table: "t", count: 5, withGeometry: 5, bbox: [1, 2, 1, 2], columns: ["n", "name"])
      ], endpointPath: "/api/data/d/r/v", previewToken: token)
    var assignment = try folder.assignment(JobType.verify, parameters)
    assignment.dataAPIURL = url ?? server.url
    return withExtendedLifetime(server) { Reports().run(assignment) }
  }

  private func problem(_ report: TaskReport) -> ProblemReport? {
    if case .failed(let problem) = report { problem } else { nil }
  }

  @Test("what is served as it was loaded passes, with the checks that were made")
  func passes() throws {
    guard case .completed(let text) = try run(Self.answer(count: 5)) else {
      Issue.record("verify did not pass")
      return
    }
    let names = try JSONText.decode(VerifyResult.self, from: text).checks.map(\.name)
    #expect(names == ["api_count", "api_sample", "api_geometry", "api_columns"])
  }

  @Test("another count, a missing column, no feature: not published")
  func fails() throws {
    #expect(problem(try run(Self.answer(count: 4)))?.details["check"] == "api_count")
    #expect(problem(try run(Self.answer(count: 5, properties: "{\"n\":1}")))?.details["check"] == "api_columns")
    let empty = "{\"type\":\"FeatureCollection\",\"numberMatched\":5,\"features\":[]}"
    #expect(problem(try run(empty))?.details["check"] == "api_sample")
    #expect(problem(try run("<html>"))?.reason == "VERIFY_FAILED")
  }

  @Test("a route that does not answer is a transient failure; an address elsewhere is refused")
  func unavailable() throws {
    let refused = problem(try run(Self.answer(count: 5), token: "wrong"))
    #expect(refused?.reason == "DATA_API_UNAVAILABLE" && refused?.transient == true)
    let nobody = problem(try run(Self.answer(count: 5), url: "http://127.0.0.1:1"))
    #expect(nobody?.reason == "DATA_API_UNAVAILABLE")
    for url in ["http://example.org", "http://127.0.0.1@example.org", "https://127.0.0.1", "http://10.0.0.1:80"] {
      #expect(problem(try run(Self.answer(count: 5), url: url))?.reason == "PARAMETERS_INVALID", "\(url)")
    }
  }
}
