import Foundation
import Testing

/// The program itself, where it needs no server.
@Suite("Command lines that are wrong")
struct CommandLineTests {
  /// Where SwiftPM puts the products of this build.
  private static let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent().appending(path: "terrane")

  private func run(_ arguments: String...) throws -> (status: Int32, said: String) {
    let process = Process()
    process.executableURL = Self.program
    process.arguments = arguments
    // No server is there.
    process.environment = ["TERRANE_DATA": "/nonexistent"]
    let output = Pipe()
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, output)
    try process.run()
    let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
  }

  @Test("A command that is none: the nearest is named")
  func commands() throws {
    let near = try run("creat", "a/b/c", "--source", "x.gpkg")
    #expect(near.status == 2)
    #expect(near.said.hasPrefix("Error: There is no command 'terrane creat'. Did you mean 'terrane create'?\n"))
    #expect(try run("credentials", "isue").said.contains("Did you mean 'terrane credentials issue'?"))
    let far = try run("frobnicate")
    #expect(far.status == 2 && far.said.hasPrefix("Error: There is no command 'terrane frobnicate'.\n"))
  }

  @Test("A pattern that the shell has replaced: to be quoted")
  func patterns() throws {
    let hint = "quote it: --source 'dem_*.tif'"
    let several = try run("create", "a/b/c", "--source", "dem_a.tif", "dem_b.tif", "dem_c.tif", "--watch")
    #expect(several.status == 2 && several.said.contains("unexpected arguments") && several.said.contains(hint))
    #expect(try run("create", "--source", "dem_a.tif", "dem_b.tif", "a/b/c").said.contains(hint))
    #expect(try !run("create", "a/b/c", "--source", "a.gpkg", "b.gpkg").said.contains("quote"))
  }

  @Test("A resolution of nothing, and a time that is none, are refused; right ones go on to the server")
  func values() throws {
    for size in ["0", "-1", "nan", "inf"] {
      let refused = try run("create", "a/b/c", "--source", "x.tif", "--resolution=\(size)")
      #expect(refused.status == 2 && refused.said.contains("--resolution takes a size above 0"), "\(size)")
    }
    let time = try run("create", "a/b/c", "--source", "x.tif", "--datetime", "yesterday")
    #expect(time.status == 2 && time.said.contains("--datetime takes a date and time, not \"yesterday\""))
    let right = try run(
      "create", "a/b/c", "--source", "x.tif", "--resolution", "0.5", "--datetime", "2026-11-29T12:00:00+01:00")
    #expect(right.status == 3, "\(right.said)")
  }
}
