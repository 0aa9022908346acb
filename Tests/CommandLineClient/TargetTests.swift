import CommandLineClient
import Foundation
import Testing

@Suite("Where sources are")
struct SourceLocationTests {
  @Test("Paths become absolute, percent-encoded file URLs")
  func paths() throws {
    func url(_ text: String) throws -> String { try SourceLocation(text, from: "/home/mara", home: "/home/mara").url }
    #expect(try url("/data/world.gpkg") == "file:///data/world.gpkg")
    #expect(try url("world.gpkg") == "file:///home/mara/world.gpkg")
    #expect(try url("./maps//world.gpkg") == "file:///home/mara/maps/world.gpkg")
    #expect(try url("~/world.gpkg") == "file:///home/mara/world.gpkg")
    #expect(try url("/data/my file (1) #2%.geojson") == "file:///data/my%20file%20%281%29%20%232%25.geojson")
    #expect(try url("/data/Zürich/東京.csv") == "file:///data/Z%C3%BCrich/%E6%9D%B1%E4%BA%AC.csv")
    #expect(try url("/data/a?b&c=d") == "file:///data/a%3Fb%26c%3Dd")
    #expect(try url("/nowhere/../data/x.csv") == "file:///data/x.csv")
    #expect(try SourceLocation("a b.csv", from: "/x").path == "/x/a b.csv")
  }

  @Test("URLs are sent as they are")
  func urls() throws {
    let https = try SourceLocation("https://example.org/a b.gpkg", from: "/")
    #expect(https.url == "https://example.org/a b.gpkg" && https.path == nil)
    let file = try SourceLocation("file:///data/a%20b.gpkg", from: "/")
    #expect(file.url == "file:///data/a%20b.gpkg" && file.path == "/data/a b.gpkg")
    #expect(try SourceLocation("odd:name.csv", from: "/x").path == "/x/odd:name.csv")
  }

  @Test("A path through a symbolic link and back up is resolved as the system does, not by its text")
  func climbing() throws {
    let folder = try Folder()
    try FileManager.default.createDirectory(atPath: folder.path("real/inner"), withIntermediateDirectories: true)
    try folder.write("real/x.csv", "a")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link"), withDestinationPath: folder.path("real/inner"))
    let source = try SourceLocation("link/../x.csv", from: folder.root)
    #expect(source.path?.hasSuffix("/real/x.csv") == true)
  }

  @Test("A file that is not there is told, with the one that was meant")
  func missing() throws {
    let folder = try Folder()
    try folder.write("World.gpkg", "x")
    try SourceLocation("World.gpkg", from: folder.root).requireFile()
    let near = #expect(throws: CommandLineError.self) {
      try SourceLocation("world.gpkg", from: folder.root).requireFile()
    }
    #expect(near?.status == .badRequest)
    #expect(near?.reason == "SOURCE_NOT_FOUND")
    #expect(near?.remedy == "Did you mean \(folder.root)/World.gpkg?")
    let nowhere = #expect(throws: CommandLineError.self) {
      try SourceLocation("none/world.gpkg", from: folder.root).requireFile()
    }
    #expect(nowhere?.remedy == "There is no folder \(folder.root)/none either.")
    #expect(throws: CommandLineError.self) { try SourceLocation("", from: "/") }
  }
}

@Suite("How datasets are named")
struct DatasetReferenceTests {
  @Test("By name, with and without namespace, by key, and by a URL pasted from a browser")
  func forms() throws {
    let plain = DatasetReference.name(namespace: "", dataset: "a", resource: "b", version: "v1")
    let other = DatasetReference.name(namespace: "maps", dataset: "a", resource: "b", version: "v1")
    #expect(try DatasetReference("a/b/v1") == plain)
    #expect(try DatasetReference("@maps/a/b/v1") == other)
    #expect(try DatasetReference("a/b/v1", namespace: "maps") == other)
    #expect(try DatasetReference("@maps/a/b/v1", namespace: "maps") == other)
    #expect(try DatasetReference("http://127.0.0.1:7480/api/data/a/b/v1/collections/x/items?f=html") == plain)
    #expect(try DatasetReference("https://maps.example/api/data/@maps/a/b/v1") == other)
    let key = String(repeating: "0A", count: 32)
    #expect(try DatasetReference(key) == .key(key.lowercased()))
    #expect(plain.description == "a/b/v1")
    #expect(other.description == "@maps/a/b/v1")
  }

  @Test(
    "Anything else is refused", arguments: ["", "a", "a/b", "a/b/c/d", "a//c", "@/a/b/c", "@maps/a/b", "@maps/a/b/c/d"])
  func refused(_ text: String) {
    let error = #expect(throws: CommandLineError.self) { try DatasetReference(text) }
    #expect(error?.status == .badRequest)
    #expect(error?.reason == "INVALID_ID")
  }

  @Test("A namespace said twice and differently is refused")
  func conflict() {
    #expect(throws: CommandLineError.self) { try DatasetReference("@maps/a/b/c", namespace: "other") }
  }
}

@Suite("Positions of a watch")
struct WatchPositionTests {
  @Test("EPOCH:SEQ, both up to 64 bits, reads back as it was printed")
  func roundTrip() throws {
    let position = WatchPosition(epoch: .max, seq: 42)
    #expect(position.description == "18446744073709551615:42")
    #expect(try WatchPosition(position.description) == position)
  }

  @Test("Anything else is refused", arguments: ["", "1", "1:", ":1", "1:2:3", "a:1", "-1:2", "1: 2"])
  func refused(_ text: String) {
    let error = #expect(throws: CommandLineError.self) { try WatchPosition(text) }
    #expect(error?.status == .badRequest)
  }
}

@Suite("Finding the server")
struct ServerLocatorTests {
  @Test("The server of this machine is found by what it wrote down")
  func endpointFile() throws {
    let folder = try Folder()
    try folder.endpoint("data", rpc: "127.0.0.1:4711", pid: getpid())
    try folder.bundle("data/credentials/local-admin")
    let target = try ServerLocator(data: folder.path("data"), environment: [:]).locate()
    #expect(target.host == "127.0.0.1" && target.port == 4711 && target.isLocal)
    #expect(target.credentials == folder.path("data/credentials/local-admin"))
    #expect(target.endpoint?.roots == ["/srv/files"])
    #expect(target.endpoint?.user == "terrane")
  }

  @Test("A flag wins over a variable, and a variable over what the server wrote down")
  func precedence() throws {
    let folder = try Folder()
    try folder.endpoint("data", rpc: "127.0.0.1:4711", pid: getpid())
    try folder.bundle("mine")
    let environment = [
      "TERRANE_DATA": folder.path("data"), "TERRANE_SERVER": "maps.example:9",
      "TERRANE_CREDENTIALS": folder.path("mine"),
    ]
    let byVariable = try ServerLocator(environment: environment).locate()
    #expect(byVariable.host == "maps.example" && byVariable.port == 9 && !byVariable.isLocal)
    #expect(byVariable.credentials == folder.path("mine"))
    #expect(byVariable.endpoint == nil)
    let byFlag = try ServerLocator(server: "[::1]:10", environment: environment).locate()
    #expect(byFlag.host == "::1" && byFlag.port == 10 && byFlag.address == "[::1]:10")
  }

  @Test("The system's data comes before the user's, unless only the user's server runs")
  func candidates() throws {
    let folder = try Folder()
    var locator = ServerLocator(environment: ["XDG_DATA_HOME": folder.root])
    locator.systemData = folder.path("system")
    #expect(locator.candidates == [folder.path("system"), folder.path("terrane")])
    try folder.endpoint("terrane", rpc: "127.0.0.1:1", pid: getpid())
    #expect(locator.dataDirectory == folder.path("terrane"))
    try folder.endpoint("system", rpc: "127.0.0.1:2", pid: Folder.deadProcess)
    #expect(locator.dataDirectory == folder.path("terrane"))
    try folder.endpoint("system", rpc: "127.0.0.1:2", pid: getpid())
    #expect(locator.dataDirectory == folder.path("system"))
  }

  @Test("No server, or one that has ended, is unreachable, and says how to start one")
  func unreachable() throws {
    let folder = try Folder()
    let locator = ServerLocator(data: folder.path("data"), environment: [:])
    let never = #expect(throws: CommandLineError.self) { try locator.locate() }
    #expect(never?.status == .unreachable)
    #expect(never?.remedy.contains("make serve") == true)
    try folder.endpoint("data", rpc: "127.0.0.1:4711", pid: Folder.deadProcess)
    let ended = #expect(throws: CommandLineError.self) { try locator.locate() }
    #expect(ended?.status == .unreachable)
    #expect(ended?.message.contains("has ended") == true)
  }

  @Test("Missing credentials are told before a connection is tried")
  func credentials() throws {
    let folder = try Folder()
    let locator = ServerLocator(
      server: "maps.example", credentials: folder.path("none"), data: folder.path("data"), environment: [:])
    let error = #expect(throws: CommandLineError.self) { try locator.locate() }
    #expect(error?.reason == "CREDENTIALS_MISSING")
    #expect(error?.status == .badRequest)
  }

  @Test(
    "Addresses that are none are refused",
    arguments: ["host:", "host:0", "host:65536", ":7411", "::1", "[::1]", "host:x"])
  func addresses(_ text: String) throws {
    let folder = try Folder()
    let error = #expect(throws: CommandLineError.self) {
      try ServerLocator(server: text, data: folder.root, environment: [:]).locate()
    }
    #expect(error?.reason == "INVALID_ARGUMENT")
  }
}
