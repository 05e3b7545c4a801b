"""Which frameworks and tools a dependency stands for: a table, one row a name.

The role says what a project that needs it to run is likely to be: `web` has pages, `service` answers
requests, `cli` reads arguments, `tool` says nothing about that.
"""

import msgspec


class Framework(msgspec.Struct, frozen=True, kw_only=True):
    """A name as its makers write it, and its role: `web`, `service`, `cli` or `tool`."""

    name: str
    role: str


# ecosystem -> role -> "dependency=Name; dependency; ..."; without "=" the name is the dependency's own.
_TABLE: dict[str, dict[str, str]] = {
    "python": {
        "web": "django=Django; streamlit=Streamlit; gradio=Gradio; dash=Dash; nicegui=NiceGUI; reflex=Reflex",
        "service": "fastapi=FastAPI; flask=Flask; starlette=Starlette; aiohttp; tornado=Tornado; "
        "sanic=Sanic; litestar=Litestar; falcon=Falcon; quart=Quart; grpcio=gRPC; "
        "djangorestframework=Django REST framework",
        "cli": "click=Click; typer=Typer",
        "tool": "sqlalchemy=SQLAlchemy; pydantic=Pydantic; celery=Celery; numpy=NumPy; pandas; "
        "torch=PyTorch; tensorflow=TensorFlow; scikit-learn; alembic=Alembic; httpx=HTTPX; "
        "redis=Redis; pytest; mypy; ruff=Ruff; uvicorn=Uvicorn; mcp=MCP; apsw=APSW; "
        "transformers=Transformers; polars=Polars; psycopg=Psycopg",
    },
    "javascript": {
        "web": "next=Next.js; nuxt=Nuxt; react=React; vue=Vue; svelte=Svelte; @sveltejs/kit=SvelteKit; "
        "@angular/core=Angular; astro=Astro; @remix-run/react=Remix; solid-js=Solid; preact=Preact; "
        "gatsby=Gatsby",
        "service": "express=Express; fastify=Fastify; koa=Koa; hono=Hono; @nestjs/core=NestJS; "
        "@hapi/hapi=hapi; @apollo/server=Apollo Server",
        "cli": "commander=Commander; yargs; oclif; @oclif/core=oclif; ink=Ink",
        "tool": "typescript=TypeScript; vite=Vite; webpack; esbuild; rollup=Rollup; turbo=Turborepo; nx=Nx; "
        "lerna=Lerna; jest=Jest; vitest=Vitest; mocha=Mocha; playwright=Playwright; "
        "@playwright/test=Playwright; cypress=Cypress; eslint=ESLint; prettier=Prettier; "
        "@biomejs/biome=Biome; tailwindcss=Tailwind CSS; prisma=Prisma; @prisma/client=Prisma; "
        "drizzle-orm=Drizzle; redux=Redux; electron=Electron; zod=Zod; react-native=React Native; "
        "graphql=GraphQL; @modelcontextprotocol/sdk=MCP",
    },
    "go": {
        "web": "github.com/a-h/templ=templ",
        "service": "github.com/gin-gonic/gin=Gin; github.com/labstack/echo=Echo; "
        "github.com/gofiber/fiber=Fiber; github.com/go-chi/chi=chi; "
        "github.com/gorilla/mux=Gorilla mux; google.golang.org/grpc=gRPC",
        "cli": "github.com/spf13/cobra=Cobra; github.com/urfave/cli=urfave/cli; "
        "github.com/charmbracelet/bubbletea=Bubble Tea; github.com/alecthomas/kong=Kong",
        "tool": "gorm.io/gorm=GORM; github.com/jmoiron/sqlx=sqlx; github.com/stretchr/testify=Testify; "
        "github.com/redis/go-redis=Redis; github.com/jackc/pgx=pgx; go.uber.org/zap=Zap",
    },
    "rust": {
        "web": "leptos=Leptos; yew=Yew; dioxus=Dioxus",
        "service": "axum=Axum; actix-web=Actix Web; rocket=Rocket; warp; tonic=tonic; poem=Poem",
        "cli": "clap; structopt; ratatui=Ratatui",
        "tool": "tokio=Tokio; serde=Serde; sqlx=SQLx; diesel=Diesel; bevy=Bevy; tauri=Tauri; wasm-bindgen; pyo3=PyO3",
    },
    "java": {
        "web": "org.springframework.boot:spring-boot-starter-thymeleaf=Thymeleaf; com.vaadin=Vaadin",
        "service": "org.springframework.boot=Spring Boot; io.quarkus=Quarkus; io.micronaut=Micronaut; "
        "io.javalin=Javalin; io.dropwizard=Dropwizard; io.vertx=Vert.x; io.ktor=Ktor",
        "cli": "info.picocli=picocli",
        "tool": "org.hibernate=Hibernate; org.hibernate.orm=Hibernate; org.junit.jupiter=JUnit; "
        "junit:junit=JUnit; org.projectlombok=Lombok; org.mockito=Mockito; org.apache.kafka=Kafka; "
        "com.google.guava=Guava",
    },
    "cpp": {
        "web": "",
        "service": "crow=Crow; drogon=Drogon; grpc=gRPC",
        "cli": "cli11=CLI11",
        "tool": "qt5=Qt; qt6=Qt; boost=Boost; gtest=GoogleTest; googletest=GoogleTest; catch2=Catch2; fmt; "
        "spdlog; opencv=OpenCV; eigen3=Eigen; eigen=Eigen; openssl=OpenSSL; "
        "protobuf=Protocol Buffers; sdl2=SDL; threads=; cuda=CUDA; cudatoolkit=CUDA; vulkan=Vulkan; "
        "nlohmann_json=nlohmann/json; zlib; sqlite3=SQLite",
    },
}


def _rows() -> dict[tuple[str, str], Framework]:
    rows = {}
    for ecosystem, roles in _TABLE.items():
        for role, text in roles.items():
            for item in filter(None, (part.strip() for part in text.split(";"))):
                key, equals, name = item.partition("=")
                if name or not equals:
                    rows[ecosystem, key] = Framework(name=name or key, role=role)
    return rows


_ROWS = _rows()


def framework_of(ecosystem: str, dependency: str) -> Framework | None:
    """Return what a dependency stands for.

    Go modules and Java groups are also known by a leading part: `.../echo/v4`,
    `org.springframework.boot:...`.
    """
    found = _ROWS.get((ecosystem, dependency))
    if found is None and ecosystem == "go":
        found = _ROWS.get((ecosystem, "/".join(dependency.split("/")[:3]))) or _ROWS.get(
            (ecosystem, "/".join(dependency.split("/")[:2]))
        )
    if found is None and ecosystem == "java":
        found = _ROWS.get((ecosystem, dependency.partition(":")[0]))
    return found
