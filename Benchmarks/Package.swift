// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nothing a benchmark needs enters the product.

let package = Package(
  name: "terrane-benchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "terrane", path: "..")
  ],
  targets: [
    .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CBenchSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .target(name: "CRawTLS", dependencies: ["CBenchSSL"]),
    .executableTarget(
      name: "bench-rpc-server",
      dependencies: [
        .product(name: "FramedRPC", package: "terrane"), .product(name: "TerraneMessages", package: "terrane"),
      ],
      swiftSettings: [
        .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"), .enableUpcomingFeature("InternalImportsByDefault"),
      ]),
    .executableTarget(
      name: "bench-load",
      dependencies: [
        "CLibpq", "CRawTLS", .product(name: "FramedRPC", package: "terrane"),
        .product(name: "TerraneMessages", package: "terrane"),
      ],
      swiftSettings: [
        .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"), .enableUpcomingFeature("InternalImportsByDefault"),
      ]),
  ]
)
